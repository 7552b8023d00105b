//! `cloudctl label`: sets and removes labels of VMs.

use super::instance_args::{ConditionArgs, check_accounts, find_for_change, named_and_selected_error, print_changed};
use crate::cloud::{Error, InstanceQuery, LabelChanges, Result, parse_label, parse_removed_label, quoted};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{check_label_changes, set_labels};
use crate::output::INSTANCES;

/// Set and remove labels of VMs
///
/// Name the VMs first, then the changes: KEY=VALUE sets a label, and KEY- removes one, if it is there. Other labels stay
/// as they are. VMs that cloudctl did not create can be labelled too. The tags of disks on EC2 are not changed.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// VMs by name, id, or provider/region/id; then KEY=VALUE to set a label and KEY- to remove one
    ///
    /// Labels are written as for create: a key or value with a comma or a double quote goes into double quotes.
    #[arg(value_name = "REF|KEY=VALUE|KEY-", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// Labels each VM, and shows the VMs afterwards.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let request = LabelRequest::parse(&args.words, &args.conditions)?;
    for note in &request.notes {
        context.printer.note(note);
    }
    check_labels_before_calls(&request, context)?;
    let selection = args.conditions.to_selection(&request.references);
    let targets = find_for_change(selection, "label", context).await?;
    for key in &request.changes.to_remove {
        if !targets.is_empty() && !targets.iter().any(|target| target.label(key).is_some()) {
            context
                .printer
                .note(&format!("none of these VMs has the label {}", quoted(key)));
        }
    }
    let clouds = context.clouds();
    check_label_changes(&|kind| clouds.get(kind), &targets, &request.changes)?;
    check_accounts(&targets, context).await?;
    let _critical_section = context.shutdown.enter_critical_section()?;
    let (changed, errors) = set_labels(&|kind| clouds.get(kind), &targets, &request.changes, &context.shutdown).await;
    print_changed(&changed, errors, context)
}

/// What the words of the command line mean.
#[derive(Debug, Default)]
struct LabelRequest {
    references: Vec<InstanceQuery>,
    changes: LabelChanges,
    /// What to tell the user about labels in quotes.
    notes: Vec<String>,
}

/// What one word of the command line can be.
enum WordKind {
    Reference,
    LabelToSet,
    LabelToRemove,
}

impl WordKind {
    /// A reference has no `=`, and ends in no hyphen: no name and no id does.
    fn of(word: &str) -> Self {
        if word.starts_with('"') {
            return match word.ends_with("\"-") {
                true => Self::LabelToRemove,
                false => Self::LabelToSet,
            };
        }
        if word.contains('=') {
            return Self::LabelToSet;
        }
        match word.ends_with('-') {
            true => Self::LabelToRemove,
            false => Self::Reference,
        }
    }
}

impl LabelRequest {
    /// Parses the references of VMs, and the changes after them.
    ///
    /// # Errors
    /// `InvalidSpec` for an invalid reference or label, a key that is given twice, a reference after a change, and without
    /// a reference or a change.
    fn parse(words: &[String], conditions: &ConditionArgs) -> Result<Self> {
        let mut request = Self::default();
        for word in words {
            match WordKind::of(word) {
                WordKind::Reference if request.changes.is_empty() => request.references.push(word.parse()?),
                WordKind::Reference => return Err(late_reference_error(word)),
                WordKind::LabelToSet => request.add_label_to_set(word)?,
                WordKind::LabelToRemove => request.changes.add_label_to_remove(&parse_removed_label(word)?)?,
            }
        }
        if request.references.is_empty() && conditions.is_empty() {
            return Err(Error::invalid("no VM is given, only label changes")
                .with_hint("name the VMs first: cloudctl label NAME KEY=VALUE"));
        }
        if !request.references.is_empty() && !conditions.is_empty() {
            return Err(named_and_selected_error("label -l env=ci KEY=VALUE"));
        }
        if request.changes.is_empty() {
            return Err(Error::invalid("no label change is given, only VMs")
                .with_hint("add KEY=VALUE to set a label, or KEY- to remove one"));
        }
        Ok(request)
    }

    fn add_label_to_set(&mut self, word: &str) -> Result<()> {
        let label = parse_label(word, "")?;
        if label.was_quoted {
            let text = quoted(&format!("{}={}", label.key, label.value));
            self.notes
                .push(format!("the quotes around the label were removed: {text}"));
        }
        self.changes.add_label_to_set(&label.key, &label.value)
    }
}

/// Makes the error for a word without `=` after a change: a reference, or the rest of a value.
fn late_reference_error(word: &str) -> Error {
    Error::invalid(format!("{} comes after a label change but is not one", quoted(word)))
        .with_hint("name the VMs first, then the changes; put a value with spaces in quotes")
}

/// Checks the labels by the rules of the clouds that the VMs can be on, before any call is sent. A label that one of these
/// clouds takes is checked again when it is known where the VMs are.
///
/// # Errors
/// The first refusal, if all of these clouds refuse.
fn check_labels_before_calls(request: &LabelRequest, context: &Context) -> Result<()> {
    let mut providers = Vec::new();
    for reference in &request.references {
        if let Some((kind, _)) = &reference.scope {
            providers.push(context.cloud(*kind)?);
        }
    }
    if request.references.iter().any(|reference| reference.scope.is_none()) {
        providers.extend(context.providers_to_query()?);
    }
    let mut first_refusal = None;
    for provider in providers {
        match provider.check_label_changes(&request.changes, &[]) {
            Ok(()) => return Ok(()),
            Err(error) => first_refusal = first_refusal.or(Some(error)),
        }
    }
    match first_refusal {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<LabelRequest> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        LabelRequest::parse(&words, &ConditionArgs::default())
    }

    #[test]
    fn words_are_told_apart() {
        let request = parse(&[
            "web-1",
            "aws/us-east-1/i-0ab",
            "url=http://x/y-",
            "old-",
            "\"a=b\"-",
            "\"c,d\"=e-",
        ])
        .unwrap();
        let references: Vec<String> = request.references.iter().map(ToString::to_string).collect();
        assert_eq!(references, ["web-1", "aws/us-east-1/i-0ab"]);
        let to_set: Vec<_> = request.changes.to_set.iter().collect();
        assert_eq!(
            to_set,
            [
                (&"c,d".to_owned(), &"e-".to_owned()),
                (&"url".to_owned(), &"http://x/y-".to_owned())
            ]
        );
        let to_remove: Vec<_> = request.changes.to_remove.iter().map(String::as_str).collect();
        assert_eq!(to_remove, ["a=b", "old"]);
    }

    #[test]
    fn mistake_names_the_word() {
        for (words, message) in [
            (&["env=ci"][..], "no VM is given, only label changes"),
            (&["web-1"], "no label change is given, only VMs"),
            (
                &["web-1", "note=a", "b"],
                "\"b\" comes after a label change but is not one",
            ),
            (
                &["old-", "web-1"],
                "\"web-1\" comes after a label change but is not one",
            ),
            (&["web-1", "env=a", "env-"], "the label \"env\" is both set and removed"),
            (&["web-1", "env=a", "env=a"], "the label \"env\" is given twice"),
            (&["web-1", "-"], "invalid label to remove \"-\""),
            (&["web-1", "=x"], "invalid label \"=x\""),
            (
                &["web-1", "cloudctl-ttl=9h"],
                "the label cloudctl-ttl is one of cloudctl's own",
            ),
            (
                &["web-1", "cloudctl-ttl-"],
                "the label cloudctl-ttl is one of cloudctl's own",
            ),
        ] {
            assert_eq!(parse(words).unwrap_err().message(), message, "{words:?}");
        }
    }
}
