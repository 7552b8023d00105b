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
    /// A value with its source.
    pub fn new(value: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            source: source.into(),
        }
    }

    /// Reads an environment variable, without white space around its value; `None` if nothing is left.
    pub fn from_variable(environment: &Environment, name: &str) -> Option<Self> {
        let exact = Self::from_untrimmed_variable(environment, name)?;
        match exact.value.trim() {
            "" => None,
            trimmed => Some(Self::new(trimmed, exact.source)),
        }
    }

    /// Reads an environment variable with white space, for a variable that an SDK reads itself.
    pub fn from_untrimmed_variable(environment: &Environment, name: &str) -> Option<Self> {
        Some(Self::new(environment.get(name)?, format!("{VARIABLE}{name}")))
    }

    /// The name of the variable that the value is from, if it is from one.
    pub fn variable_name(&self) -> Option<&str> {
        self.source.strip_prefix(VARIABLE)
    }
}

impl Setting<String> {
    /// The value with its source, if it is set.
    pub fn sourced_value(&self) -> Option<SourcedValue> {
        Some(SourcedValue::new(self.value.clone()?, self.source.to_string()))
    }
}
