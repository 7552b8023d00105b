//! Parsers for flags whose values are words, which shells complete; and the value of `--provider`.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::cloud::{Error, ProviderKind, Result};

/// Parses a value with `FromStr` of its type, and offers words to shell completion.
#[derive(Clone, Debug)]
pub struct WordParser<T> {
    words: Vec<&'static str>,
    value_type: PhantomData<T>,
}

/// Creates a parser that offers these words. It also accepts all else that the type accepts.
pub fn one_of<T: FromStr>(words: impl Into<Vec<&'static str>>) -> WordParser<T> {
    WordParser {
        words: words.into(),
        value_type: PhantomData,
    }
}

impl<T> TypedValueParser for WordParser<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let parse = |text: &str| text.parse::<T>();
        parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(|word| PossibleValue::new(*word))))
    }
}

/// A value of `--provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderChoice {
    /// `any`: every cloud whose credentials are found.
    Any,
    /// This cloud.
    One(ProviderKind),
}

impl ProviderChoice {
    /// The words of all values.
    pub fn words() -> Vec<&'static str> {
        let clouds = ProviderKind::ALL.map(ProviderKind::as_str);
        clouds.into_iter().chain(["any"]).collect()
    }

    /// The cloud, if it is one.
    pub fn kind(self) -> Option<ProviderKind> {
        match self {
            Self::One(kind) => Some(kind),
            Self::Any => None,
        }
    }
}

impl FromStr for ProviderChoice {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        match input {
            "any" => Ok(Self::Any),
            name => Ok(Self::One(name.parse()?)),
        }
    }
}

impl<'de> serde::Deserialize<'de> for ProviderChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // The error of a file format has no field for a hint.
        let with_hint = |error: Error| format!("{error}; {}", error.hint().unwrap_or_default());
        name.parse().map_err(|error| serde::de::Error::custom(with_hint(error)))
    }
}
