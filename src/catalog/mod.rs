//! What is known of the clouds without asking them: image aliases, machine types and prices.

mod images;
mod prices;

pub use images::{AwsImage, DEFAULT_IMAGE, GcpImage, IMAGE_ALIASES, ImageAlias, Login, image_alias, nearest_alias};
pub use prices::{Catalog, Price};
