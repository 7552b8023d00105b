//! A table on the terminal that is drawn again in place.

use std::io;

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::TerminalSize;
use super::columns::ColumnSet;
use super::output_formats::Format;
use super::output_record::Record;
use super::printer::{LiveTable, Printer};
use super::table::{Layout, write_named, write_table};
use super::terminal_text::escape;

/// The width of the mark before each row.
const MARK_WIDTH: usize = 2;

/// A row of the table, and the character that stands before it.
#[derive(Debug)]
pub struct MarkedRecord {
    /// The mark; a space is none.
    pub mark: char,
    /// The row.
    pub record: Record,
}

/// What is drawn.
#[derive(Debug)]
pub struct LiveTableContent {
    /// The rows.
    pub rows: Vec<MarkedRecord>,
    /// The lines below the table.
    pub footer: Vec<String>,
}

impl Printer {
    /// Whether the format and the terminal allow a table that is drawn again in place.
    pub fn can_redraw_table(&self) -> bool {
        self.terminal.output && self.terminal.redraws && self.format().is_human_readable()
    }

    /// Draws the table in place of the last one. Rows that do not fit on the screen are counted below it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn draw_live_table(
        &mut self,
        content: &LiveTableContent,
        view: &ColumnSet,
        now: Timestamp,
        size: TerminalSize,
    ) -> io::Result<()> {
        self.end_progress();
        let plain = self.format_lines(content, view, now, size, false)?;
        let coloured = match self.terminal.colour_output {
            true => self.format_lines(content, view, now, size, true)?,
            false => plain.clone(),
        };
        let mut drawing = self.format_erasing_sequence(size);
        for line in &coloured {
            drawing.push_str(line);
            drawing.push('\n');
        }
        self.live_table = LiveTable {
            height: plain.iter().map(|line| count_screen_rows(line, size.columns)).sum(),
            size: Some(size),
        };
        // One write, so that the terminal never shows half a table.
        self.streams.stdout.write_all(drawing.as_bytes())?;
        self.streams.stdout.flush()
    }

    /// Erases the table, so that something else can be printed in its place.
    ///
    /// # Errors
    /// Those of writing.
    pub fn erase_live_table(&mut self) -> io::Result<()> {
        let Some(size) = self.live_table.size else {
            return Ok(());
        };
        let sequence = self.format_erasing_sequence(size);
        self.live_table = LiveTable::default();
        self.streams.stdout.write_all(sequence.as_bytes())?;
        self.streams.stdout.flush()
    }

    /// Moves the cursor to the start of the last drawing, and clears all below it. After a change of the terminal's size the
    /// old lines are elsewhere, so the whole screen is cleared.
    /// <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>
    fn format_erasing_sequence(&self, size: TerminalSize) -> String {
        match self.live_table.size {
            None => String::new(),
            Some(last) if last != size => "\u{1b}[2J\u{1b}[H".to_owned(),
            Some(_) if self.live_table.height == 0 => String::new(),
            Some(_) => format!("\u{1b}[{}A\r\u{1b}[J", self.live_table.height),
        }
    }

    fn format_lines(
        &self,
        content: &LiveTableContent,
        view: &ColumnSet,
        now: Timestamp,
        size: TerminalSize,
        colour: bool,
    ) -> io::Result<Vec<String>> {
        let layout = Layout {
            width: Some(size.columns.saturating_sub(MARK_WIDTH)),
            colour,
            shows_headers: self.shows_headers,
            now,
        };
        let records: Vec<Record> = content.rows.iter().map(|row| row.record.clone()).collect();
        let mut table = Vec::new();
        match self.format() {
            Format::Columns(names) => write_named(&mut table, &names, view, &records, &layout)?,
            Format::Wide => write_table(&mut table, view.wide_columns(), &records, &layout)?,
            _ => write_table(&mut table, view.columns, &records, &layout)?,
        }
        let text = String::from_utf8_lossy(&table);
        // The header has no mark.
        let header_mark = self.shows_headers.then_some(' ');
        let marks = header_mark.into_iter().chain(content.rows.iter().map(|row| row.mark));
        let mut lines = Vec::new();
        for (mark, line) in marks.zip(text.lines()) {
            lines.push(format!("{mark} {line}"));
        }
        if content.rows.is_empty() {
            lines = vec!["no VMs".to_owned()];
        }
        let footer: Vec<_> = content.footer.iter().map(|line| escape(line)).collect();
        let rows_of = |line: &String| count_screen_rows(line, size.columns);
        let footer_rows: usize = footer.iter().map(rows_of).sum();
        // The last row of the screen is for the cursor.
        let max_rows = size.rows.saturating_sub(footer_rows + 1).max(2);
        if lines.iter().map(rows_of).sum::<usize>() > max_rows {
            let mut used_rows = 1;
            let fits = |line: &&String| {
                used_rows += rows_of(line);
                used_rows <= max_rows
            };
            let fitting = lines.iter().take_while(fits).count();
            let hidden = lines.len() - fitting;
            lines.truncate(fitting);
            lines.push(format!("  and {hidden} more that do not fit on the screen"));
        }
        lines.extend(footer);
        Ok(lines)
    }
}

/// How many rows of a terminal a line takes, which is wrapped at the terminal's width.
fn count_screen_rows(line: &str, columns: usize) -> usize {
    line.width().div_ceil(columns.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_line_takes_several_rows() {
        for (width, rows) in [(0, 1), (9, 1), (10, 1), (11, 2), (30, 3)] {
            assert_eq!(count_screen_rows(&"x".repeat(width), 10), rows, "{width}");
        }
    }
}
