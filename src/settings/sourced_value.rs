//! A value of a setting of a cloud's own tools, with its source.

use std::fmt;

use super::{Environment, Setting};

/// The prefix of the source of a variable's value.
const VARIABLE: &str = "variable ";

/// A value of a setting of a cloud's own tools, with its source.
#[derive(Clone, PartialEq, Eq)]
pub struct SourcedValue {
    /// The value.
    pub value: String,
    /// Where it is set: `variable AWS_REGION`, `~/.aws/config:12`, `~/.config/…/config_default:2, [core]`.
    pub source: String,
}

/// Shows only the source. The value can be a credential.
impl fmt::Debug for SourcedValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source)
    }
}

impl SourcedValue {
    /// Reads an environment variable, without white space around its value; `None` if nothing is left.
    pub fn from_variable(environment: &Environment, name: &str) -> Option<Self> {
        let exact = Self::from_untrimmed_variable(environment, name)?;
        match exact.value.trim() {
            "" => None,
            trimmed => Some(Self {
                value: trimmed.to_owned(),
                source: exact.source,
            }),
        }
    }

    /// Reads an environment variable with white space, for a variable that an SDK reads itself.
    pub fn from_untrimmed_variable(environment: &Environment, name: &str) -> Option<Self> {
        Some(Self {
            value: environment.get(name)?.to_owned(),
            source: format!("{VARIABLE}{name}"),
        })
    }

    /// The name of the variable that the value is from, if it is from one.
    pub fn variable_name(&self) -> Option<&str> {
        self.source.strip_prefix(VARIABLE)
    }
}

impl Setting<String> {
    /// The value with its source, if it is set.
    pub fn sourced_value(&self) -> Option<SourcedValue> {
        Some(SourcedValue {
            value: self.value.clone()?,
            source: self.source.to_string(),
        })
    }
}
