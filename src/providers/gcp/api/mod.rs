//! Calls to Compute Engine: clients, retries, pages, operations and errors.
//!
//! EC2 differs: a change is done when its call is answered, so it has no operations. Its SDK follows page tokens by
//! itself. Its calls take many instances each, so it needs no rate limiter.

pub(super) mod client;
pub(super) mod error;
pub(super) mod pagination;
pub(super) mod resource_name;
pub(super) mod retry;
pub(super) mod timestamp;
pub(super) mod zone_operations;
