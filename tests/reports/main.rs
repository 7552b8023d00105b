//! What real users of comparable tools reported, tried on the real binary: small inputs that must not leak, panic,
//! mislead or be ignored. A file holds one kind of fault; each test in it is one report or a neighbour of one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
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
mod capacity_words;
mod certainty;
mod dry_run;
mod environment;
mod gcp_causes;
mod gcp_credentials;
mod gcp_settings;
mod gcp_stand_in;
mod labels;
mod leftovers;
mod names;
mod other_versions;
mod panics;
mod request_ids;
mod same_spec;
mod secrets;
mod settings_page;
mod small;
mod spot_prices;
mod terminating;
mod tls;
mod unusual_values;
mod user_data;
mod waiting;
