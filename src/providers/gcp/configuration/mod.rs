//! Settings of gcloud and Google's libraries: where they are read, and what they come to.

pub(super) mod endpoint;
pub(super) mod gcloud_config;
pub(super) mod resolved;
pub(super) mod setting_keys;
pub(super) mod vendor_settings;
