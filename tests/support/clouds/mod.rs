//! The clouds that tests run against: one file each.

pub mod ec2;
pub mod gce;
pub mod mock;
pub mod moto;
