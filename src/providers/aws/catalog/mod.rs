//! Machine types, images and prices of EC2.

pub(super) mod image_list;
pub(super) mod images;
pub(super) mod machine_types;
pub(super) mod prices;
pub(super) mod region_machine_types;
pub(super) mod spot_price;
