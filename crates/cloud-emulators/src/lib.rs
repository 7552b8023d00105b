//! Emulators of AWS EC2 and Google Compute Engine: stateful, strict, over real HTTP, with faults on demand.
//!
//! [`ec2::Emulator`] and [`gce::Emulator`] are the way in. `http` serves both, keeps the log of [`recorded_call::Call`]s and
//! applies [`faults`], so that no emulator has to know about faults. The program `cloud-emulators` runs one by hand.
//! `clients` and `python` start clients that others wrote, to check the emulators or what a program did to them.
//! The README, which follows, says what is emulated.
#![doc = include_str!("../README.md")]
// `pub` in a private module says what that file offers the others; and a broken promise between two of these files
// shall fail the test loudly.
#![allow(unreachable_pub, clippy::expect_used, clippy::panic, reason = "it is for tests")]

mod boot_console;
pub mod client_commands;
pub mod ec2;
mod fault_syntax;
pub mod faults;
pub mod gce;
pub mod http;
pub mod price_lists;
pub mod python_environment;
pub mod recorded_call;

pub use boot_console::{boot_console, boot_console_with_prefix};
pub use fault_syntax::{FaultSyntaxError, parse_time};
