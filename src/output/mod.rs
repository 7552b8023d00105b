//! What the user reads: results on stdout in the format asked for, everything else on stderr.
//!
//! Renderers are pure functions to a `Write`; what goes to which stream is decided in [`Printer`].

mod beside;
mod catalogue_views;
mod connect;
mod errors;
mod expiry;
mod format;
mod harmless;
mod hints;
mod machine;
mod plain_views;
mod printer;
mod progress;
mod record;
mod schemas;
mod table;
mod terminal;
mod text;
mod views;
mod withheld;

pub use catalogue_views::{CATALOGUES, COSTS, MACHINE_TYPES, PRICES, UPDATES};
pub use connect::{connect_text, needs_key, password_text};
pub use errors::error_text;
pub use expiry::{expiry_text, unenforced_text};
pub use format::Format;
pub use hints::hint_for;
pub use plain_views::{CONTEXTS, DOCTOR, IDENTITIES, SETTINGS};
pub use printer::Printer;
pub use record::{Record, Report};
pub use schemas::{error_schema, instance_schema};
pub use terminal::{Streams, Terminal};
pub use text::{age, escape, shown_name};
pub use views::{Column, IMAGES, INSTANCES, PLANS, REGIONS, View};
pub use withheld::Withheld;
