//! What the integration tests share: a sandbox for the real binary, and clouds to point it at.

pub mod backends;
pub mod clouds;
pub mod command_line;
pub mod event_stream;
pub mod parallel_cases;
pub mod sandbox;
pub mod sshd;
pub mod test_cloud;
