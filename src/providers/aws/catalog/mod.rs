//! Machine types, images and prices of EC2.
//!
//! Compute Engine's machine types have GPUs attached and no spot price of their own call; its prices come from
//! another API.

pub(super) mod built_in_catalog;
pub(super) mod images;
pub(super) mod machine_types;
pub(super) mod prices;
