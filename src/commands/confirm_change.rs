//! The question before VMs are changed that the user may not have meant, and what a script passes instead of an answer.

use clap::Args;

use crate::cloud::{Error, ErrorKind, Instance, Result, format_account};
use crate::command_context::Context;
use crate::output::display_name;

/// Above this many VMs the user must answer with their number, and a script must pass `--expect`.
const MAX_SIMPLE_CONFIRM: usize = 10;

/// What a script passes to confirm a change.
#[derive(Args, Clone, Debug)]
pub(super) struct ConfirmationArgs {
    /// Do not ask for confirmation
    #[arg(short, long, help_heading = "Safety")]
    pub(super) yes: bool,
    /// Refuse unless exactly this many VMs are selected
    ///
    /// Required without a terminal for more than 10 that are not named.
    #[arg(long, value_name = "N", help_heading = "Safety")]
    pub(super) expect: Option<usize>,
}

/// A change that the user confirms.
pub(super) struct PlannedChange<'a> {
    /// What is done, such as `stop`.
    pub(super) verb: &'a str,
    /// The end of the question, such as ` for good`.
    pub(super) consequence: &'a str,
    /// The instances that will be changed.
    pub(super) targets: &'a [Instance],
    /// Why other selected instances are left out.
    pub(super) left_out: Vec<String>,
    /// Whether the user named each instance. If not, a script must know how many are selected.
    pub(super) names_each_instance: bool,
    /// How a user can see the selection before the change.
    pub(super) preview_hint: &'a str,
}

impl PlannedChange<'_> {
    /// Asks the user to confirm; with `--yes` checks instead that a script passes `--expect` for many instances.
    ///
    /// # Errors
    /// `InvalidSpec` if a flag is missing and there is no terminal to ask on. `Refused` if the user does not confirm.
    pub(super) fn confirm(&self, args: &ConfirmationArgs, context: &mut Context) -> anyhow::Result<()> {
        match args.yes {
            true => Ok(self.check_expected_number(args, context)?),
            false => self.ask(context),
        }
    }

    fn ask(&self, context: &mut Context) -> anyhow::Result<()> {
        let (verb, count) = (self.verb, self.targets.len());
        let targets = format!("{} in {}", format_count(self.targets), format_accounts(self.targets));
        if !context.printer.terminal().input {
            let flags = match self.needs_expect(context) {
                true => format!("-y --expect {}", self.count_selected()),
                false => "-y".to_owned(),
            };
            return Err(Error::invalid(format!(
                "this would {verb} {}; pass {flags} to confirm",
                self.describe_targets()
            ))
            .with_hint(format!("{}, then pass {flags}", self.preview_hint))
            .into());
        }
        for instance in self.targets.iter().take(MAX_SIMPLE_CONFIRM) {
            let name = display_name(instance.name.as_deref().unwrap_or("-"));
            let line = format!("  {}  {name}  {}", instance.reference, instance.state);
            context.printer.note(&line);
        }
        if count > MAX_SIMPLE_CONFIRM {
            context
                .printer
                .note(&format!("  and {} more", count - MAX_SIMPLE_CONFIRM));
        }
        for reason in &self.left_out {
            context.printer.note(&format!("  left out: {reason}"));
        }
        let needs_number = count > MAX_SIMPLE_CONFIRM;
        let (instruction, hint) = match needs_number {
            true => ("Type the number to confirm:", "answer with their number, or pass -y"),
            false => ("[y/N]", "answer y, or pass -y"),
        };
        let question = format!("{verb} {targets}{}? {instruction}", self.consequence);
        let answer = context.prompt(&question)?.unwrap_or_default();
        let is_confirmed = match needs_number {
            true => answer == count.to_string(),
            false => matches!(answer.to_lowercase().as_str(), "y" | "yes"),
        };
        match is_confirmed {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Refused, "not confirmed; nothing was changed")
                .with_hint(hint)
                .into()),
        }
    }

    /// Checks that a script passes `--expect` to change many instances that it does not name.
    ///
    /// # Errors
    /// `InvalidSpec` if it is missing and there is no terminal to ask on.
    pub(super) fn check_expected_number(&self, args: &ConfirmationArgs, context: &Context) -> Result<()> {
        if !self.needs_expect(context) || args.expect.is_some() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "this would {} {}; pass --expect {} to confirm the number",
            self.verb,
            self.describe_targets(),
            self.count_selected()
        ))
        .with_hint(self.preview_hint))
    }

    /// Whether a script must pass `--expect`.
    fn needs_expect(&self, context: &Context) -> bool {
        let is_many = self.targets.len() > MAX_SIMPLE_CONFIRM;
        is_many && !self.names_each_instance && !context.printer.terminal().input
    }

    /// The number that `--expect` confirms: instances that are left out are selected too.
    fn count_selected(&self) -> usize {
        self.targets.len() + self.left_out.len()
    }

    /// `2 VMs in mock (us-east-1)`, or `2 of 3 selected VMs in …` if others are left out.
    fn describe_targets(&self) -> String {
        let count = match self.left_out.is_empty() {
            true => format_count(self.targets),
            false => format!("{} of {} selected VMs", self.targets.len(), self.count_selected()),
        };
        format!("{count} in {}", format_accounts(self.targets))
    }
}

/// Formats how many instances there are: `1 VM`, `2 VMs`.
pub(super) fn format_count(instances: &[Instance]) -> String {
    match instances.len() {
        1 => "1 VM".to_owned(),
        many => format!("{many} VMs"),
    }
}

/// Formats the accounts that instances are in: `aws 123456789012 (us-east-1), gcp acme-dev (us-central1)`.
fn format_accounts(instances: &[Instance]) -> String {
    // Each account with its regions, in the order of the instances.
    let mut accounts: Vec<(String, Vec<&str>)> = Vec::new();
    for instance in instances {
        let account = format_account(instance.provider, instance.account.as_deref().unwrap_or_default());
        let region = instance.region.as_str();
        match accounts.iter_mut().find(|(known, _)| *known == account) {
            Some((_, regions)) if regions.contains(&region) => {}
            Some((_, regions)) => regions.push(region),
            None => accounts.push((account, vec![region])),
        }
    }
    let accounts: Vec<_> = accounts
        .iter()
        .map(|(account, regions)| format!("{account} ({})", regions.join(", ")))
        .collect();
    accounts.join(", ")
}
