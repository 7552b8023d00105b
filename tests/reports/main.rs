//! What users of comparable tools reported, on the real binary: small inputs that must not leak, panic, mislead or be
//! ignored. A file holds one kind of fault.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unnecessary_literal_unwrap,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod aws_connection_errors;
mod aws_credentials;
mod aws_partitions;
mod aws_setting_sources;
mod aws_settings;
mod capacity_errors;
mod dry_run;
mod environment_variables;
mod fixed_answer_server;
mod gcp_connection_errors;
mod gcp_credentials;
mod gcp_endpoints;
mod gcp_settings;
mod label_selectors;
mod labels_of_later_versions;
mod leftovers;
mod missing_locations;
mod panics;
mod request_ids;
mod secrets;
mod settings_documentation;
mod small_surprises;
mod spec_comparison;
mod spot_prices;
mod taken_names;
mod terminate_wait;
mod tls;
mod unusual_values;
mod user_data;
mod wait;
