//! How an instance is named: by the clouds, in full, and by people, in short.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::{Error, Instance, ProviderKind, Result, quoted};

/// One instance, in full: `aws/us-east-1/i-0ab…`, `gcp/us-central1-a/123…`. It never means another one. Two are the same
/// if they mean the same instance, whatever else is known of it.
#[derive(Clone, Debug)]
pub struct InstanceRef {
    /// The cloud.
    pub provider: ProviderKind,
    /// The region on EC2 and the mock, the zone on Compute Engine: the scope of the id.
    pub scope: String,
    /// The cloud's own id.
    pub id: String,
    /// The zone, where calls for many instances are better made zone by zone (EC2).
    pub zone: Option<String>,
    /// The cloud's own name, where its calls take names and not ids (Compute Engine).
    pub native_name: Option<String>,
}

impl InstanceRef {
    fn identity(&self) -> (ProviderKind, &str, &str) {
        (self.provider, &self.scope, &self.id)
    }
}

impl PartialEq for InstanceRef {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for InstanceRef {}

impl Hash for InstanceRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for InstanceRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InstanceRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl fmt::Display for InstanceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.provider, self.scope, self.id)
    }
}

/// What a person types for an instance: a name, an id, or the full form with either in its last part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceQuery {
    /// The cloud and the region or zone, if said.
    pub scope: Option<(ProviderKind, String)>,
    /// A name or an id.
    pub name_or_id: String,
}

impl InstanceQuery {
    /// Whether this reference means that instance.
    pub fn matches(&self, instance: &Instance) -> bool {
        let scope_fits = self.scope.as_ref().is_none_or(|(provider, place)| {
            instance.provider == *provider
                && (*place == instance.reference.scope
                    || *place == instance.region
                    || instance.zone.as_ref() == Some(place))
        });
        scope_fits && (instance.reference.id == self.name_or_id || instance.name.as_ref() == Some(&self.name_or_id))
    }
}

impl FromStr for InstanceQuery {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let parts: Vec<&str> = input.split('/').collect();
        let (scope, name_or_id) = match parts.as_slice() {
            [only] => (None, *only),
            [provider, place, last] => (Some((provider.parse()?, (*place).to_owned())), *last),
            _ => (None, ""),
        };
        let place_missing = scope.as_ref().is_some_and(|(_, place): &(_, String)| place.is_empty());
        if name_or_id.trim().is_empty() || place_missing || input.chars().any(char::is_control) {
            return Err(Error::invalid(format!("invalid instance reference {}", quoted(input)))
                .with_hint("give a name, an id, or provider/region/id as `cloudctl list -o ref` prints it"));
        }
        Ok(Self {
            scope,
            name_or_id: name_or_id.to_owned(),
        })
    }
}

impl fmt::Display for InstanceQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some((provider, place)) => write!(formatter, "{provider}/{place}/{}", self.name_or_id),
            None => formatter.write_str(&self.name_or_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_short_and_full_forms_and_prints_them_back() {
        for text in [
            "web-1",
            "i-0ab12cd34",
            "aws/us-east-1/i-0ab12cd34",
            "gcp/us-central1-a/123",
        ] {
            assert_eq!(text.parse::<InstanceQuery>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in [
            "",
            " ",
            "aws/us-east-1",
            "aws/us-east-1/",
            "aws//i-1",
            "azure/x/y",
            "a/b/c/d",
            "a\u{1b}b",
        ] {
            assert!(text.parse::<InstanceQuery>().is_err(), "{text:?}");
        }
    }
}
