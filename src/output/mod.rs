//! What the user reads: results on stdout in the format asked for, everything else on stderr.
//!
//! Renderers are pure functions to a `Write`; what goes to which stream is decided in [`Printer`].

mod errors;
mod expiry;
mod format;
mod harmless;
mod hints;
mod machine;
mod printer;
mod record;
mod table;
mod text;
mod views;

pub use errors::error_text;
pub use expiry::{expiry_text, unenforced_text};
pub use format::Format;
pub use hints::hint_for;
pub use printer::{Printer, Streams, Terminal};
pub use record::{ERROR_FIELDS, Record, Report};
pub use text::{age, escape, shown_name};
pub use views::{CONTEXTS, Column, DOCTOR, IDENTITIES, INSTANCES, PLANS, SETTINGS, View};
