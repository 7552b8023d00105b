//! What real users of comparable tools reported, tried on the real binary: small inputs that must not leak, panic,
//! mislead or be ignored. A file holds one kind of fault; each test in it is one report or a neighbour of one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod aws_causes;
mod aws_credentials;
mod aws_partitions;
mod aws_settings;
mod certainty;
mod environment;
mod names;
mod panics;
mod secrets;
mod terminating;
mod tls;
mod waiting;
