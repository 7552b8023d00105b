//! What is known of the clouds without asking them: image aliases.

mod images;

pub use images::{AwsImage, DEFAULT_IMAGE, GcpImage, IMAGE_ALIASES, ImageAlias, image_alias, nearest_alias};
