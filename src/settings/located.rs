//! A value of a vendor's setting, and where it is set.

use std::fmt;

use super::{Environment, Setting};

/// What the source of a variable's value begins with.
const VARIABLE: &str = "variable ";

/// A value of a vendor's setting, and where it is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Located {
    /// The value.
    pub value: String,
    /// Where it is set: `variable AWS_REGION`, `~/.aws/config:12`, `~/.config/…/config_default:2, [core]`.
    pub source: String,
}

/// Without the value, which can be a credential.
impl fmt::Debug for Located {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source)
    }
}

impl Located {
    /// What an environment variable says, without white space around it; `None` if that is nothing.
    pub fn from_variable(environment: &Environment, name: &str) -> Option<Self> {
        let located = Self::from_exact_variable(environment, name)?;
        let value = located.value.trim();
        (!value.is_empty()).then(|| Self {
            value: value.to_owned(),
            ..located.clone()
        })
    }

    /// The same with white space, for variables that an SDK reads itself.
    pub fn from_exact_variable(environment: &Environment, name: &str) -> Option<Self> {
        Some(Self {
            value: environment.get(name)?.to_owned(),
            source: format!("{VARIABLE}{name}"),
        })
    }

    /// The name of the variable that it is from, if it is from one.
    pub fn variable_name(&self) -> Option<&str> {
        self.source.strip_prefix(VARIABLE)
    }
}

impl Setting<String> {
    /// The value and where it is set, if it is set.
    pub fn located(&self) -> Option<Located> {
        self.value.clone().map(|value| Located {
            value,
            source: self.source.to_string(),
        })
    }
}
