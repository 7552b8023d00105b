//! The list of clouds.

use std::fmt;
use std::str::FromStr;

use super::{quoted, word_enum};

word_enum! {
    /// A cloud that cloudctl has a driver for.
    pub enum ProviderKind {
        /// Amazon EC2.
        Aws = "aws",
        /// Google Compute Engine.
        Gcp = "gcp",
        /// The mock cloud, whose state is a file.
        Mock = "mock",
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The error for a word that is not the name of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProvider(String);

impl UnknownProvider {
    /// The hint: `use aws, gcp or mock`.
    pub fn hint(&self) -> String {
        format!("use {}", join_with_or(ProviderKind::ALL.map(ProviderKind::as_str)))
    }
}

impl fmt::Display for UnknownProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "unknown provider {}", quoted(&self.0))
    }
}

impl std::error::Error for UnknownProvider {}

impl FromStr for ProviderKind {
    type Err = UnknownProvider;

    fn from_str(input: &str) -> Result<Self, UnknownProvider> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == input);
        found.ok_or_else(|| UnknownProvider(input.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for ProviderKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // The error of a file format has no field for a hint.
        let with_hint = |error: UnknownProvider| format!("{error}; {}", error.hint());
        name.parse().map_err(|error| serde::de::Error::custom(with_hint(error)))
    }
}

/// Joins alternatives to a text: `a, b or c`.
pub fn join_with_or(words: impl IntoIterator<Item = impl fmt::Display>) -> String {
    join_words(words, "or")
}

/// Joins words to a text: `a, b and c`.
pub fn join_with_and(words: impl IntoIterator<Item = impl fmt::Display>) -> String {
    join_words(words, "and")
}

fn join_words(words: impl IntoIterator<Item = impl fmt::Display>, conjunction: &str) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} {conjunction} {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// Formats an account for a message: `aws 123456789012`. The mock has one account, which is called like it and not repeated.
pub fn format_account(provider: ProviderKind, account: &str) -> String {
    match account == provider.as_str() || account.is_empty() {
        true => provider.to_string(),
        false => format!("{provider} {account}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_kind_is_parsed_from_its_word() {
        for (position, kind) in ProviderKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(kind as usize, position, "tables by cloud are in this order");
        }
        let error = "azure".parse::<ProviderKind>().unwrap_err();
        assert_eq!(error.to_string(), "unknown provider \"azure\"");
        assert_eq!(error.hint(), "use aws, gcp or mock");
    }

    #[test]
    fn join_with_or_takes_any_number_of_words() {
        assert_eq!(join_with_or(["a"; 0]), "");
        assert_eq!(join_with_or(["a"]), "a");
        assert_eq!(join_with_or(["a", "b"]), "a or b");
    }
}
