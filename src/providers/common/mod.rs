//! What several drivers share. Nothing here knows an SDK type or names a cloud.

pub(super) mod batch_calls;
pub(super) mod certificates;
pub(super) mod connection_errors;
pub(super) mod endpoint_address;
pub(super) mod http_date;
pub(super) mod image_alias_sources;
pub(super) mod lookup_cache;
pub(super) mod native_options;
pub(super) mod rate_limit;
pub(super) mod retry;
pub(super) mod spec_limits;
