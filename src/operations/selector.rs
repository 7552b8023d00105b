//! Label selectors.

use std::str::FromStr;

use crate::cloud::{Error, Instance, Result, quoted};

/// A label selector: `env=ci,team!=web,gpu,!temporary`, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Is(String, String),
    IsNot(String, String),
    Has(String),
    HasNot(String),
}

impl LabelSelector {
    /// Whether the instance's labels are as selected.
    pub fn admits(&self, instance: &Instance) -> bool {
        let labels = &instance.labels;
        self.0.iter().all(|requirement| match requirement {
            Requirement::Is(key, value) => labels.get(key) == Some(value),
            Requirement::IsNot(key, value) => labels.get(key) != Some(value),
            Requirement::Has(key) => labels.contains_key(key),
            Requirement::HasNot(key) => !labels.contains_key(key),
        })
    }
}

impl FromStr for LabelSelector {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let requirements: Vec<_> = input
            .split(',')
            .map(|part| {
                let part = part.trim();
                if let Some((key, value)) = part.split_once("!=") {
                    Requirement::IsNot(key.to_owned(), value.to_owned())
                } else if let Some((key, value)) = part.split_once('=') {
                    Requirement::Is(key.to_owned(), value.trim_start_matches('=').to_owned())
                } else if let Some(key) = part.strip_prefix('!') {
                    Requirement::HasNot(key.to_owned())
                } else {
                    Requirement::Has(part.to_owned())
                }
            })
            .collect();
        let has_no_key = requirements.iter().any(|requirement| match requirement {
            Requirement::Is(key, _) | Requirement::IsNot(key, _) => is_no_key(key),
            Requirement::Has(key) | Requirement::HasNot(key) => is_no_key(key),
        });
        if has_no_key {
            return Err(Error::invalid(format!("invalid label selector {}", quoted(input)))
                .with_remedy("write it as key=value, key!=value, key or !key, separated by commas"));
        }
        Ok(Self(requirements))
    }
}

/// A selector in another tool's language, such as `env in (a,b)`, must not become one that selects nothing.
fn is_no_key(key: &str) -> bool {
    key.is_empty() || key.contains(|character: char| character.is_whitespace() || "()<>~".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_selector() {
        for text in ["", ",", "=x", "!", "a=b,", "env in (ci,dev)", "env: ci", "age>2h"] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text:?}");
        }
    }
}
