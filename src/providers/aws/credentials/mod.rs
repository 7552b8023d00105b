//! Where credentials come from, and whether they can be sent.
//!
//! [`credentials_provider`](super::api::credentials_provider) gets them, since some sources take calls to STS.
//! Compute Engine's sources give tokens instead of keys.

pub(super) mod access_keys;
pub(super) mod credential_source;
