//! The line that says how far it is, on a terminal, until there is something better to read in its place.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

/// What of the line is to be seen now.
#[derive(Debug, Default)]
pub(super) struct ProgressLine {
    /// In columns.
    width: usize,
}

impl ProgressLine {
    /// Shows a text in the place of the one before. One that does not fit in `columns` could not be taken back.
    pub(super) fn show(&mut self, out: &mut dyn Write, text: &str, columns: usize) {
        if text.width() >= columns {
            return;
        }
        // Spaces and not an escape sequence: every terminal has them.
        let rest = self.width.saturating_sub(text.width());
        let _ = write!(out, "\r{text}{:rest$}", "");
        let _ = out.flush();
        self.width = text.width();
    }

    /// Takes it back, so that something else can stand there.
    pub(super) fn clear(&mut self, out: &mut dyn Write) {
        if self.width > 0 {
            let _ = write!(out, "\r{:1$}\r", "", self.width);
            let _ = out.flush();
            self.width = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_left() {
        let mut out = Vec::new();
        let mut line = ProgressLine::default();
        line.show(&mut out, "1 location, 20 VMs", 80);
        line.show(&mut out, "2 done", 80);
        line.clear(&mut out);
        line.clear(&mut out);
        line.show(&mut out, "too wide", 8);
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, format!("\r1 location, 20 VMs\r2 done{:12}\r{:6}\r", "", ""));
    }
}
