//! What the user reads: results on stdout in the format asked for, everything else on stderr.
//!
//! Renderers are pure functions to a `Write`; what goes to which stream is decided in [`Printer`].

mod columns;
mod connect;
mod diagnostics;
mod errors;
mod format;
mod formats;
mod hints;
mod instance_notes;
mod printer;
mod progress;
mod record;
mod redaction;
mod sanitize;
mod schemas;
mod table;
mod terminal;
mod text;

pub use columns::account::{CONTEXTS, DOCTOR, IDENTITIES, SETTINGS};
pub use columns::catalog::{CATALOGUES, COSTS, MACHINE_TYPES, PRICES, UPDATES};
pub use columns::{Column, IMAGES, INSTANCES, PLANS, REGIONS, View};
pub use connect::{connect_text, needs_key, password_text};
pub use errors::error_text;
pub use format::Format;
pub use hints::hint_for;
pub use instance_notes::{expiry_text, unenforced_text};
pub use printer::Printer;
pub use record::{Record, Report};
pub use redaction::Withheld;
pub use schemas::{error_schema, instance_schema};
pub use terminal::{Streams, Terminal};
pub use text::{age, escape, shown_name};
