//! Calls to Compute Engine: clients, retries, pages, operations, errors and the cloud's clock.

pub(super) mod client;
pub(super) mod error;
pub(super) mod operations;
pub(super) mod pagination;
pub(super) mod rate_limit;
pub(super) mod resource_name;
pub(super) mod retry;
pub(super) mod timestamp;
