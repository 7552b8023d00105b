//! EC2 and Compute Engine in one process: emulators over real HTTP, with faults on demand.

// `pub` in a private module says what that file offers the others; and a broken promise between two of these files
// shall fail the test loudly.
#![allow(unreachable_pub, clippy::expect_used, clippy::panic)]

pub mod call;
pub mod ec2;
mod fault_syntax;
pub mod faults;
pub mod gce;
pub mod http;
pub mod price_lists;

pub use fault_syntax::{FaultSyntaxError, parse_time};
