//! What the integration tests share: a sandbox for the real binary, and clouds to point it at.

pub mod backend;
pub mod ec2;
pub mod gce;
pub mod http;
pub mod moto;
pub mod outside;
pub mod price_lists;
pub mod python;
pub mod sandbox;
pub mod threads;
