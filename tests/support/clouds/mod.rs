//! The clouds that tests run against: one file each.

pub mod moto;
