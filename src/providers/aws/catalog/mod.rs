//! Machine types, images and prices of EC2.

pub(super) mod images;
pub(super) mod machine_types;
pub(super) mod offline;
pub(super) mod prices;
