//! Calls to AWS: clients, credentials, HTTP, retries, the cloud's clock, errors, filters and XML.
//!
//! Compute Engine has no `filters`, `http_client`, `server_time`, `xml_reader` and `xml_sanitizer`: its API is JSON,
//! and its SDK takes no HTTP client. It has `operations` and `pace` instead: EC2 answers a changing call when it is
//! done, and EC2's own limits are high enough.

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
