//! The warnings about VMs that have another name in a file for other tools than in their cloud.

use std::collections::BTreeMap;

use super::wait_progress::name_or_reference;
use crate::cloud::{HostName, Instance, join_with_and, quoted};
use crate::command_context::Context;

/// The most names in one warning.
const MAX_NAMED: usize = 5;

/// Says which VMs have another name there. `suffix` is what comes after each name.
pub(super) fn warn_about_names(named: &[(Instance, HostName)], suffix: &str, context: &mut Context) {
    let mut shared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut no_words = Vec::new();
    for (instance, name) in named {
        let word = name.as_str().unwrap_or(&instance.reference.id);
        match name {
            HostName::Own(_) | HostName::Nameless => {}
            HostName::WithRegion(_) | HostName::Shared => {
                let words = shared.entry(name_or_reference(instance)).or_default();
                words.push(format!("{word}{suffix}"));
            }
            HostName::Unsafe => no_words.push(quoted(&name_or_reference(instance)).to_string()),
        }
    }
    if let Some(warning) = describe_no_words(&no_words) {
        context.printer.warn(&warning);
    }
    for (name, words) in shared {
        context.printer.warn(&match words.as_slice() {
            [only] => format!("another VM is called {name}, too: this one is {only}"),
            several => format!(
                "{} VMs are called {name}: they are {}",
                several.len(),
                join_with_and(several)
            ),
        });
    }
}

fn describe_no_words(names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [only] => Some(format!(
            "the name {only} is no plain word: its VM is called by its id alone"
        )),
        several if several.len() <= MAX_NAMED => Some(format!(
            "the names {} are no plain words: their VMs are called by their ids alone",
            join_with_and(several)
        )),
        many => Some(format!(
            "{} names are no plain words, such as {}: their VMs are called by their ids alone",
            many.len(),
            many[0]
        )),
    }
}
