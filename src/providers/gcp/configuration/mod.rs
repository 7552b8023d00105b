//! Settings of gcloud and Google's client libraries: where they are read, and their values. EC2's SDK reads the AWS
//! files by itself; Google's reads only credentials.

pub(super) mod config_file_keys;
pub(super) mod endpoints;
pub(super) mod gcloud_config;
pub(super) mod gcloud_settings;
pub(super) mod resolve_settings;
