//! Calls to EC2: clients, HTTP, retries, the cloud's clock, errors, filters and XML.

pub(super) mod client;
pub(super) mod connection_errors;
pub(super) mod credentials_provider;
pub(super) mod error;
pub(super) mod filters;
pub(super) mod http_client;
pub(super) mod retry;
pub(super) mod server_time;
pub(super) mod sts;
pub(super) mod xml_reader;
pub(super) mod xml_sanitizer;
