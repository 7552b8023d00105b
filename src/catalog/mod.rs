//! What is known of the clouds without asking them: image aliases, machine types and prices.

mod images;
mod login;
mod prices;

pub use images::{AwsImage, DEFAULT_IMAGE, GcpImage, IMAGE_ALIASES, ImageAlias, image_alias, nearest_alias};
pub use login::Login;
pub use prices::{Catalog, Price};
