//! What several drivers share. Nothing here knows an SDK type or names a cloud.

pub(super) mod batch;
pub(super) mod certificates;
pub(super) mod checks;
pub(super) mod connection_errors;
pub(super) mod http_date;
pub(super) mod image_sources;
pub(super) mod native_options;
pub(super) mod network_address;
pub(super) mod rate_limit;
pub(super) mod retry;
