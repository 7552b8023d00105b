//! Label selectors.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::cloud::{Error, Instance, Requirement, Result, format_label, may_be_secret, parse_requirements};

/// A label selector: `env=ci,team!=web,gpu,!temporary`, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Whether the instance's labels are as selected. `Roles=app,web` means the value with its comma.
    pub fn admits(&self, instance: &Instance) -> bool {
        self.0.iter().all(|requirement| holds(requirement, instance))
    }

    /// Whether the selector can also be read in another way, in which the instance is selected: `Roles=app,web` as
    /// `Roles=app` and a label `web`.
    fn admits_otherwise(&self, instance: &Instance) -> bool {
        let is_ambiguous = |requirement: &Requirement| matches!(requirement, Requirement::Whole { .. });
        self.0.iter().any(is_ambiguous)
            && self.0.iter().all(|requirement| match requirement {
                Requirement::Whole { key, first, others, .. } => {
                    instance.label(key) == Some(first) && others.iter().all(|other| instance.label(other).is_some())
                }
                other => holds(other, instance),
            })
    }
}

fn holds(requirement: &Requirement, instance: &Instance) -> bool {
    match requirement {
        Requirement::In(key, values) => instance.label(key).is_some_and(|value| values.contains(value)),
        Requirement::NotIn(key, values) => !instance.label(key).is_some_and(|value| values.contains(value)),
        Requirement::Has(key) => instance.label(key).is_some(),
        Requirement::HasNot(key) => instance.label(key).is_none(),
        Requirement::Whole { key, value, .. } => instance.label(key) == Some(value),
    }
}

/// Several selectors, all of which must hold.
#[derive(Clone, Debug)]
pub struct Selectors<'a> {
    selectors: &'a [LabelSelector],
    /// An instance was seen that another reading of the text selects.
    is_ambiguous: bool,
}

impl<'a> Selectors<'a> {
    /// Puts selectors together.
    ///
    /// # Errors
    /// `InvalidSpec` if no instance can ever have such labels.
    pub fn new(selectors: &'a [LabelSelector]) -> Result<Self> {
        check_possible(selectors)?;
        Ok(Self {
            selectors,
            is_ambiguous: false,
        })
    }

    /// Whether the instance's labels are as selected.
    pub fn admits(&mut self, instance: &Instance) -> bool {
        let mut selectors = self.selectors.iter();
        if selectors.clone().all(|selector| selector.admits(instance)) {
            return true;
        }
        if selectors.all(|selector| selector.admits(instance) || selector.admits_otherwise(instance)) {
            self.is_ambiguous = true;
        }
        false
    }

    /// Checks, after all instances were looked at, that nothing was passed over that could have been meant.
    ///
    /// # Errors
    /// `InvalidSpec`, spelling both readings.
    pub fn check_meaning(&self) -> Result<()> {
        let requirements = self.selectors.iter().flat_map(|selector| &selector.0);
        let ambiguous = requirements.filter_map(|requirement| match requirement {
            Requirement::Whole {
                key,
                value,
                first,
                others,
            } => Some((key, value, first, others)),
            _ => None,
        });
        let Some((key, value, first, others)) = ambiguous.take(usize::from(self.is_ambiguous)).next() else {
            return Ok(());
        };
        let others: String = others.iter().map(|other| format!(" -l {other}")).collect();
        let error = Error::invalid(format!(
            "the selector for the label {key} can be read in two ways, and there are VMs that fit the second"
        ));
        Err(error.with_hint(match may_be_secret(value) {
            true => format!("write {key}=\"value\" for one value with commas, or another -l for each label"),
            false => format!("write -l '{}', or -l {key}={first}{others}", format_label(key, value)),
        }))
    }
}

/// What is asked of one label, by all requirements together.
fn check_possible(selectors: &[LabelSelector]) -> Result<()> {
    let requirements: Vec<_> = selectors.iter().flat_map(|selector| &selector.0).collect();
    let keys: BTreeSet<_> = requirements.iter().map(|requirement| requirement.key()).collect();
    for key in keys {
        let mut allowed: Option<BTreeSet<String>> = None;
        let (mut is_there, mut is_absent) = (false, false);
        let mut denied = BTreeSet::new();
        for requirement in requirements.iter().filter(|requirement| requirement.key() == key) {
            let values = match requirement {
                Requirement::In(_, values) => values.clone(),
                Requirement::Whole { value, .. } => BTreeSet::from([value.clone()]),
                Requirement::NotIn(_, values) => {
                    denied.extend(values.iter().cloned());
                    continue;
                }
                Requirement::Has(_) => {
                    is_there = true;
                    continue;
                }
                Requirement::HasNot(_) => {
                    is_absent = true;
                    continue;
                }
            };
            is_there = true;
            allowed = Some(match allowed {
                Some(allowed) => allowed.intersection(&values).cloned().collect(),
                None => values,
            });
        }
        let no_value = allowed.is_some_and(|allowed| allowed.is_subset(&denied));
        if no_value || (is_there && is_absent) {
            let error = Error::invalid(format!(
                "no VM can have the label {key} as all selectors together ask for it"
            ));
            return Err(error.with_hint(format!(
                "selectors are joined by \"and\": write {key} in (a,b) for one of several values"
            )));
        }
    }
    Ok(())
}

impl FromStr for LabelSelector {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        parse_requirements(input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_selector() {
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
            "!a=b",
            "team!=web,gpu",
            "cloudctl-name=web",
            "!cloudctl-managed",
        ] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let check = |texts: &[&str]| {
            let selectors: Vec<LabelSelector> = texts.iter().map(|text| text.parse().unwrap()).collect();
            Selectors::new(&selectors).map(|_| ())
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
