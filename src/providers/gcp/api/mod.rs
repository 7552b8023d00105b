//! Calls to Compute Engine: clients, retries, pages, operations, errors and the cloud's clock.

pub(super) mod client;
pub(super) mod clock;
pub(super) mod connection_errors;
pub(super) mod error;
pub(super) mod operation_error;
pub(super) mod operations;
pub(super) mod pace;
pub(super) mod pagination;
pub(super) mod retry;
pub(super) mod warning;
