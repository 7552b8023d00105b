//! Selects instances by their labels: `-l env=ci,team!=web`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::cloud::{
    Error, Instance, Requirement, Result, format_label, may_be_secret, parse_requirements, quote_for_shell,
    redact_value,
};

/// A label selector, such as `env=ci,team!=web,gpu,!temporary`. All requirements must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    /// As the user wrote it.
    text: String,
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Whether the labels of the instance match. `Roles=app,web` means the value with its comma.
    pub fn matches(&self, instance: &Instance) -> bool {
        self.requirements
            .iter()
            .all(|requirement| is_met(requirement, instance))
    }

    /// Whether another reading of the selector matches the instance: `Roles=app,web` as `Roles=app` and a label `web`.
    pub(super) fn matches_other_reading(&self, instance: &Instance) -> bool {
        let is_ambiguous = |requirement: &Requirement| matches!(requirement, Requirement::Whole { .. });
        self.requirements.iter().any(is_ambiguous)
            && self.requirements.iter().all(|requirement| match requirement {
                Requirement::Whole { key, first, others, .. } => {
                    instance.label(key) == Some(first) && others.iter().all(|other| instance.label(other).is_some())
                }
                other => is_met(other, instance),
            })
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redact_value(self.text.trim()))
    }
}

fn is_met(requirement: &Requirement, instance: &Instance) -> bool {
    match requirement {
        Requirement::In(key, values) => instance.label(key).is_some_and(|value| values.contains(value)),
        Requirement::NotIn(key, values) => !instance.label(key).is_some_and(|value| values.contains(value)),
        Requirement::Has(key) => instance.label(key).is_some(),
        Requirement::HasNot(key) => instance.label(key).is_none(),
        Requirement::Whole { key, value, .. } => instance.label(key) == Some(value),
    }
}

/// The error for a selector of which only another reading matches an instance; `None` if each can be read in one way only.
pub(super) fn two_readings_error(selectors: &[LabelSelector]) -> Option<Error> {
    let mut requirements = selectors.iter().flat_map(|selector| &selector.requirements);
    requirements.find_map(|requirement| {
        let Requirement::Whole {
            key,
            value,
            first,
            others,
        } = requirement
        else {
            return None;
        };
        let message = format!(
            "the selector for the label {key} can be read in two ways, and there are VMs that match the second"
        );
        let first_label = quote_for_shell(&format!("{key}={first}"));
        let other_selectors: String = others
            .iter()
            .map(|other| format!(" -l {}", quote_for_shell(other)))
            .collect();
        Some(Error::invalid(message).with_hint(match may_be_secret(value) {
            true => format!("write {key}=\"value\" for one value with commas, or another -l for each label"),
            false => format!(
                "write -l {}, or -l {first_label}{other_selectors}",
                quote_for_shell(&format_label(key, value))
            ),
        }))
    })
}

/// Checks for each label that the requirements of all selectors do not exclude each other.
///
/// # Errors
/// `InvalidSpec` if no instance can have such labels.
pub(super) fn check_satisfiable(selectors: &[LabelSelector]) -> Result<()> {
    let requirements: Vec<_> = selectors.iter().flat_map(|selector| &selector.requirements).collect();
    let keys: BTreeSet<_> = requirements.iter().map(|requirement| requirement.key()).collect();
    for key in keys {
        let (mut allowed, mut denied) = (None, BTreeSet::new());
        let (mut is_required, mut must_be_absent) = (false, false);
        for requirement in requirements.iter().filter(|requirement| requirement.key() == key) {
            match requirement {
                Requirement::In(_, values) => narrow(&mut allowed, values.clone()),
                Requirement::Whole { value, .. } => narrow(&mut allowed, BTreeSet::from([value.clone()])),
                Requirement::NotIn(_, values) => denied.extend(values.iter().cloned()),
                Requirement::Has(_) => is_required = true,
                Requirement::HasNot(_) => must_be_absent = true,
            }
        }
        let must_exist = is_required || allowed.is_some();
        let has_no_allowed_value = allowed.is_some_and(|allowed| allowed.is_subset(&denied));
        if has_no_allowed_value || (must_exist && must_be_absent) {
            let error = Error::invalid(format!("no VM can have a label {key} that matches all selectors"));
            return Err(error.with_hint(format!(
                "selectors are joined by \"and\": write {key} in (a,b) for one of several values"
            )));
        }
    }
    Ok(())
}

/// Keeps the allowed values that another requirement allows too; all are allowed at first.
fn narrow(allowed: &mut Option<BTreeSet<String>>, values: BTreeSet<String>) {
    *allowed = Some(match allowed.take() {
        Some(allowed) => allowed.intersection(&values).cloned().collect(),
        None => values,
    });
}

impl FromStr for LabelSelector {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        Ok(Self {
            text: input.to_owned(),
            requirements: parse_requirements(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selector_refuses_invalid_text() {
        for text in [
            "",
            ",",
            "=x",
            "!",
            "a=b,",
            "a=b,,c=d",
            "env in",
            "env in ()",
            "env in (ci",
            "env in (ci) x",
            "env notin (a,)",
            "(a)",
            "env: ci",
            "age>2h",
            "age>=2h",
            "label.env~ci",
            "a=\"b",
            "a=\"b\"c",
            "a===b",
            "a!==b",
            "a!=~b",
            "a!='b'",
            "a notin ('b')",
            "a not in (b)",
            "a!=b*",
            "a!=b?",
            "a notin (b*)",
            "a!='b' ,c=d",
            "'a'!=b",
            "!'a'",
            "!a=b",
            "team!=web,gpu",
            "cloudctl-name=web",
            "!cloudctl-managed",
        ] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn selectors_refuse_contradictions() {
        let check = |texts: &[&str]| {
            let selectors: Vec<LabelSelector> = texts.iter().map(|text| text.parse().unwrap()).collect();
            check_satisfiable(&selectors)
        };
        for texts in [
            &["stage=ci", "stage=prod"][..],
            &["stage=ci,stage=prod"],
            &["stage", "!stage"],
            &["stage=ci", "!stage"],
            &["stage=ci,stage!=ci"],
            &["stage in (a,b)", "stage in (c,d)"],
            &["stage in (a,b),stage notin (a,b)"],
        ] {
            assert!(check(texts).is_err(), "{texts:?}");
        }
        for texts in [
            &["stage=ci", "stage=ci"][..],
            &["stage", "stage!=ci"],
            &["stage in (a,b)", "stage in (b,c)"],
            &["!stage", "stage!=ci"],
        ] {
            assert!(check(texts).is_ok(), "{texts:?}");
        }
    }
}
