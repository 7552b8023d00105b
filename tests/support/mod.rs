//! What the integration tests share: a sandbox for the real binary, and clouds to point it at.

pub mod backend;
pub mod clouds;
pub mod sandbox;
pub mod test_cloud;
pub mod threads;
