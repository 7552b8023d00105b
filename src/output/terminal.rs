//! What is known of where output goes.

use std::io::Write;

/// Which streams are terminals, how wide they are, and whether colours are wanted there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Standard input is a terminal, so questions can be asked.
    pub input: bool,
    /// Standard output is a terminal.
    pub output: bool,
    /// Standard error is a terminal, so steps can be shown.
    pub errors: bool,
    /// What was written there can be written over. `TERM=dumb` says that it cannot.
    pub redraws: bool,
    /// The terminal's width in columns; `None` is no limit.
    pub width: Option<usize>,
    /// Colours on standard output.
    pub colour_output: bool,
    /// Colours on standard error.
    pub colour_errors: bool,
}

/// Where output goes.
pub struct Streams {
    /// Results.
    pub stdout: Box<dyn Write + Send>,
    /// Everything else.
    pub stderr: Box<dyn Write + Send>,
}
