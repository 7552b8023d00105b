//! Output: results on stdout in the requested format, everything else on stderr.
//!
//! The formats are pure functions that write to a `Write`. [`Printer`] decides which stream gets what.

use std::io::Write;

mod columns;
mod describe_page;
mod expiry_and_login_notes;
mod hints;
mod json_schemas;
mod live_table;
mod output_formats;
mod output_record;
mod price_notes;
mod printer;
mod redaction;
mod sanitize;
mod stderr_messages;
mod table;
mod terminal_text;

pub use columns::identity_and_settings::{CONTEXTS, DOCTOR, IDENTITIES, RUNS, SETTINGS};
pub use columns::types_and_prices::{CATALOG_PARTS, COSTS, MACHINE_TYPES, PRICES, UPDATES, VM_PRICES};
pub use columns::{Column, ColumnSet, IMAGES, INSTANCES, PREVIEWS, REGIONS};
pub use expiry_and_login_notes::{format_expiry, no_enforcer_warning, password_hint, ssh_hint};
pub use hints::hint_for;
pub use json_schemas::{error_schema, instance_schema};
pub use live_table::{LiveTableContent, MarkedRecord};
pub use output_formats::Format;
pub use output_record::{Record, Report};
pub use price_notes::{explain_unknown_price, missing_in_catalog_note};
pub use printer::Printer;
pub use redaction::Redactor;
pub use stderr_messages::format_error;
pub use terminal_text::{age, display_name, escape};

/// Which streams are terminals, how wide they are, and whether to use colours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Standard input and standard error are terminals, so questions can be asked.
    pub input: bool,
    /// Standard input is a terminal.
    pub reads_from_terminal: bool,
    /// Standard output is a terminal.
    pub output: bool,
    /// Standard error is a terminal, so steps can be printed.
    pub errors: bool,
    /// Standard error can overwrite its last line. Not so for `TERM=dumb`.
    pub redraws: bool,
    /// The terminal's width in columns; `None` is no limit.
    pub width: Option<usize>,
    /// Colours on standard output.
    pub colour_output: bool,
    /// Colours on standard error.
    pub colour_errors: bool,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// The characters of a line.
    pub columns: usize,
    /// The lines of the screen.
    pub rows: usize,
}

/// The streams for output.
pub struct Streams {
    /// Results.
    pub stdout: Box<dyn Write + Send>,
    /// Everything else.
    pub stderr: Box<dyn Write + Send>,
}
