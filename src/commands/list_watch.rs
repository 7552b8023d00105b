//! `cloudctl list --watch`: shows each listing as a table that is drawn again in place, or the changes as JSON lines.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::instance_args::{note_skipped_clouds, warn_about_gap};
use crate::cloud::{Error, Instance, Result, format_duration, parse_duration};
use crate::command_context::Context;
use crate::operations::{Inventory, RowStatus, SortOrder, WatchUpdate, WatchedInstances};
use crate::output::{INSTANCES, LiveTableContent, MarkedRecord, Printer, Record, Report};

/// The default of `--interval`.
pub(super) const DEFAULT_INTERVAL: &str = "5s";
/// The shortest interval: each round is a call for every location.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// How many locations that did not answer are named below the table.
const MAX_NAMED_LOCATIONS: usize = 3;

/// Parses the value of `--interval`.
///
/// # Errors
/// `InvalidSpec` for anything but a duration of at least [`MIN_INTERVAL`].
pub(super) fn parse_interval(text: &str) -> Result<Duration> {
    let interval = parse_duration(text)?;
    if interval < MIN_INTERVAL {
        let message = format!("an interval of {text} is too short: each round calls every location");
        return Err(Error::invalid(message).with_hint("use 1s or more"));
    }
    Ok(interval)
}

/// Checks that the output can be updated: a table on a terminal, or JSON lines.
///
/// # Errors
/// `InvalidSpec`, with the format to use.
pub(super) fn check_watch_output(printer: &Printer) -> Result<()> {
    if printer.streams() || printer.can_redraw_table() {
        return Ok(());
    }
    let message = "--watch redraws a table: it needs a terminal, and -o table, wide or columns=…";
    Err(Error::invalid(message).with_hint("stream the changes with -o jsonl"))
}

/// A watch: what was listed last, and how it is shown.
pub(super) struct ListWatch {
    interval: Duration,
    sort: SortOrder,
    watched: WatchedInstances,
    /// The time of the last listing; `None` before the first.
    last_listed: Option<Timestamp>,
    /// Since when each location does not answer, by its text; `None` if it never did.
    unanswered_since: BTreeMap<String, Option<Timestamp>>,
}

impl ListWatch {
    pub(super) fn new(interval: Duration, sort: SortOrder) -> Self {
        Self {
            interval,
            sort,
            watched: WatchedInstances::default(),
            last_listed: None,
            unanswered_since: BTreeMap::new(),
        }
    }

    /// Whether a listing was shown.
    pub(super) fn has_listed(&self) -> bool {
        self.last_listed.is_some()
    }

    /// Shows a listing: what changed since the one before, and which locations did not answer. Says each of these only
    /// once.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn show(&mut self, mut inventory: Inventory, context: &mut Context) -> anyhow::Result<()> {
        let is_first = !self.has_listed();
        let skipped = std::mem::take(&mut inventory.skipped);
        let mut update = self.watched.update(inventory);
        let now = context.now();
        self.sort.sort(&mut update.instances, now);
        let has_messages = !update.new_gaps.is_empty() || !update.answered_again.is_empty();
        if has_messages {
            context.printer.erase_live_table()?;
        }
        if is_first {
            note_skipped_clouds(&skipped, context);
        }
        for gap in &update.new_gaps {
            warn_about_gap(gap, context);
        }
        for location in &update.answered_again {
            context.printer.note(&format!("{location} answers again"));
        }
        self.record_unanswered(is_first);
        match context.printer.streams() {
            true => print_events(&update, context)?,
            false => self.draw_table(&update, is_first, context)?,
        }
        self.last_listed = Some(now);
        Ok(())
    }

    /// Keeps since when each location has not answered: since the last listing that it answered.
    fn record_unanswered(&mut self, is_first: bool) {
        let last_listed = match is_first {
            true => None,
            false => self.last_listed,
        };
        let unanswered: Vec<_> = self.watched.unanswered_locations().map(ToString::to_string).collect();
        self.unanswered_since
            .retain(|location, _| unanswered.contains(location));
        for location in unanswered {
            self.unanswered_since.entry(location).or_insert(last_listed);
        }
    }

    fn draw_table(&self, update: &WatchUpdate, is_first: bool, context: &mut Context) -> anyhow::Result<()> {
        let now = context.now();
        let mut rows = Vec::new();
        for instance in &update.instances {
            rows.push(MarkedRecord {
                mark: choose_mark(update.status(instance), is_first),
                record: Record::from(instance),
            });
        }
        let content = LiveTableContent {
            footer: self.format_footer(rows.len(), now),
            rows,
        };
        let size = context.terminal_size();
        context.printer.draw_live_table(&content, &INSTANCES, now, size)?;
        Ok(())
    }

    /// The lines below the table: how many VMs there are, when that was, and which locations are missing.
    fn format_footer(&self, count: usize, now: Timestamp) -> Vec<String> {
        let mut footer = Vec::new();
        for (location, since) in self.unanswered_since.iter().take(MAX_NAMED_LOCATIONS) {
            footer.push(match since {
                Some(since) => format!(
                    "? {location} has not answered since {}: its VMs are shown as they were then",
                    format_time(*since)
                ),
                None => format!("? {location} does not answer: its VMs are missing"),
            });
        }
        let unnamed = self.unanswered_since.len().saturating_sub(MAX_NAMED_LOCATIONS);
        if unnamed > 0 {
            footer.push(match unnamed {
                1 => "? 1 more location does not answer".to_owned(),
                _ => format!("? {unnamed} more locations do not answer"),
            });
        }
        let vms = match count {
            1 => "1 VM".to_owned(),
            _ => format!("{count} VMs"),
        };
        footer.push(format!(
            "{vms} at {}, every {}; Ctrl-C ends it",
            format_time(now),
            format_duration(self.interval)
        ));
        footer
    }
}

/// The mark of a row: `+` is new, `~` has changed, `?`: its location did not answer, so it may have changed.
fn choose_mark(status: RowStatus, is_first: bool) -> char {
    match status {
        RowStatus::Added if is_first => ' ',
        RowStatus::Added => '+',
        RowStatus::Changed => '~',
        RowStatus::Unchanged => ' ',
        RowStatus::NotAnswered => '?',
    }
}

fn format_time(time: Timestamp) -> String {
    time.strftime("%H:%M:%S UTC").to_string()
}

/// Prints one line for each instance that was added, has changed or was removed.
fn print_events(update: &WatchUpdate, context: &mut Context) -> anyhow::Result<()> {
    let mut items = Vec::new();
    for instance in &update.instances {
        match update.status(instance) {
            RowStatus::Added => items.push(new_event("added", instance)),
            RowStatus::Changed => items.push(new_event("changed", instance)),
            RowStatus::Unchanged | RowStatus::NotAnswered => {}
        }
    }
    for instance in &update.removed {
        items.push(new_event("removed", instance));
    }
    let report = Report {
        items,
        errors: Vec::new(),
    };
    let now = context.now();
    context.printer.print_items(&report, &INSTANCES, now)?;
    Ok(())
}

fn new_event(event: &str, instance: &Instance) -> Record {
    Record::from(instance).with_first_field("event", json!(event))
}
