//! What the integration tests share: a sandbox for the real binary, and clouds to point it at.

pub mod backend;
pub mod clouds;
pub mod sandbox;
pub mod threads;

pub use clouds::moto;
