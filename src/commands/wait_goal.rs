//! The state that `cloudctl wait` waits for, as a value of `--for` or as the last word.

use std::ffi::OsStr;

use clap::ValueEnum;
use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::parser::ValueSource;

use crate::cloud::{InstanceQuery, QueriedName};
use crate::operations::WaitGoal;

/// A state that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GoalValue {
    /// It runs
    #[value(alias = "state=running")]
    Running,
    /// It is stopped
    #[value(alias = "state=stopped")]
    Stopped,
    /// It is gone
    #[value(aliases = ["gone", "deleted", "delete", "state=terminated"])]
    Terminated,
    /// It runs, and answers by SSH
    #[value(alias = "state=ssh")]
    Ssh,
}

impl GoalValue {
    pub(super) fn to_wait_goal(self, ssh_port: u16) -> WaitGoal {
        match self {
            Self::Running => WaitGoal::Running,
            Self::Stopped => WaitGoal::Stopped,
            Self::Terminated => WaitGoal::Terminated,
            Self::Ssh => WaitGoal::Ssh(ssh_port),
        }
    }

    /// The state that a query without a scope names; `None` if it is no state.
    pub(super) fn from_query(query: &InstanceQuery) -> Option<Self> {
        match (&query.scope, &query.name) {
            (None, QueriedName::NameOrId(word)) => Self::from_str(word, false).ok(),
            _ => None,
        }
    }
}

/// The value of `--for`, and whether it is given: else it is the default, which the last word overrides.
#[derive(Clone, Copy, Debug)]
pub(super) struct GoalArg {
    pub(super) value: GoalValue,
    pub(super) is_given: bool,
}

/// Parses the value of `--for`.
#[derive(Clone, Debug)]
pub(super) struct GoalParser;

impl TypedValueParser for GoalParser {
    type Value = GoalArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<GoalArg, clap::Error> {
        self.parse_ref_(command, argument, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<GoalArg, clap::Error> {
        let value = EnumValueParser::<GoalValue>::new().parse_ref(command, argument, value)?;
        Ok(GoalArg {
            value,
            is_given: source != ValueSource::DefaultValue,
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = GoalValue::value_variants().iter();
        Some(Box::new(values.filter_map(ValueEnum::to_possible_value)))
    }
}
