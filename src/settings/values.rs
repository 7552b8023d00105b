//! Values of flags that are one of some words, which shells then complete.
//! Clouds as they are chosen on the command line.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::cloud::{Error, ProviderKind, Result};

/// Reads a value as its type does, and offers words to completion.
#[derive(Clone, Debug)]
pub struct WordParser<T> {
    words: Vec<&'static str>,
    read: PhantomData<T>,
}

/// A parser of values that are one of these words, or what else their type takes.
pub fn one_of<T: FromStr>(words: impl Into<Vec<&'static str>>) -> WordParser<T> {
    WordParser {
        words: words.into(),
        read: PhantomData,
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

/// A cloud, or whichever there are credentials for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderChoice {
    /// Every cloud whose credentials are found.
    Any,
    /// This one.
    One(ProviderKind),
}

impl ProviderChoice {
    /// The words of all choices.
    pub fn words() -> Vec<&'static str> {
        let clouds = ProviderKind::ALL.map(ProviderKind::as_str);
        clouds.into_iter().chain(["any"]).collect()
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
        // A format's error has no room for a remedy of its own.
        let told = |error: Error| format!("{error}; {}", error.hint().unwrap_or_default());
        name.parse().map_err(|error| serde::de::Error::custom(told(error)))
    }
}
