//! What is known of the clouds without asking them: image aliases, machine types and prices.
//!
//! The machine types of EC2 and the prices of both clouds are in `data/catalogue.tsv.gz`, which is made anew by one
//! command, `python3 src/catalog/generate/generate.py`; `data/SOURCES.txt` names its sources and their licence, and the
//! head of that program says how far the prices are to be trusted. Over them goes what `cloudctl catalog update` fetched.

mod attachments;
mod embedded;
mod facts;
mod gce_custom;
mod gce_shapes;
mod images;
mod login;
mod parts;
mod price_file;
mod prices;

pub use facts::{Facts, embedded_facts};
pub use images::{
    AwsImage, DEFAULT_IMAGE, GcpImage, IMAGE_ALIASES, ImageAlias, image_alias, is_licensed, nearest_alias,
};
pub use login::Login;
pub use parts::{Part, Sort};
pub use price_file::{Fetched, FetchedCloud};
pub use prices::{Catalog, Price};
