//! Where credentials come from, and whether they can be sent. [`credentials_provider`](super::api::credentials_provider)
//! gets them.

pub(super) mod keys;
pub(super) mod source;
