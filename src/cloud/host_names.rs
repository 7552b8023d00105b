//! The names of instances in the files of other tools: plain words, each for one instance.

use std::collections::{HashMap, HashSet};

use super::Instance;

/// The longest name that is taken over.
const MAX_LENGTH: usize = 128;

/// How other tools call an instance, beside its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// By its own name.
    Own(String),
    /// By its name and region, `web-1.us-east-1`: another instance has the same name.
    WithRegion(String),
    /// By its id alone: it has no name.
    Nameless,
    /// By its id alone: another instance has the same name in the same region, or that is the id of another.
    Shared,
    /// By its id alone: its name has characters that mean something to shells or other tools.
    Unsafe,
}

impl HostName {
    /// The name; `None` where there is only the id.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Own(name) | Self::WithRegion(name) => Some(name),
            Self::Nameless | Self::Shared | Self::Unsafe => None,
        }
    }
}

/// Gives each instance a name that is a plain word, and that no other of them has as its name or id. Names come from labels
/// that anybody can set: the id of an instance is never another's name.
pub fn host_names(instances: &[Instance]) -> Vec<HostName> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut taken: HashSet<String> = HashSet::new();
    for instance in instances {
        taken.insert(instance.reference.id.clone());
        if let Some(name) = &instance.name {
            *counts.entry(name).or_default() += 1;
        }
    }
    let is_own = |name: &str, taken: &HashSet<String>| counts.get(name) == Some(&1) && !taken.contains(name);
    let own_names = instances.iter().filter_map(|instance| instance.name.clone());
    let own_names: HashSet<_> = own_names.filter(|name| is_own(name, &taken)).collect();
    let mut regional_counts: HashMap<String, usize> = HashMap::new();
    for instance in instances {
        *regional_counts.entry(with_region(instance)).or_default() += 1;
    }
    let name_one = |instance: &Instance| {
        let Some(name) = instance.name.as_deref().filter(|name| !name.is_empty()) else {
            return HostName::Nameless;
        };
        let regional = with_region(instance);
        if !is_plain_word(name) {
            HostName::Unsafe
        } else if is_own(name, &taken) {
            HostName::Own(name.to_owned())
        } else if regional_counts.get(&regional) == Some(&1)
            && is_plain_word(&regional)
            && !taken.contains(&regional)
            && !own_names.contains(&regional)
        {
            HostName::WithRegion(regional)
        } else {
            HostName::Shared
        }
    };
    instances.iter().map(name_one).collect()
}

fn with_region(instance: &Instance) -> String {
    format!("{}.{}", instance.name.as_deref().unwrap_or_default(), instance.region)
}

/// Whether a text is one word that no shell and no configuration reads as anything else: ASCII letters, digits, dots, hyphens
/// and underscores, and no dot or hyphen at its start.
pub fn is_plain_word(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.len() <= MAX_LENGTH && text.bytes().all(is_plain) && !text.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    fn names(instances: &[(&str, &str, &str)]) -> Vec<HostName> {
        let instance = |&(name, region, id): &(&str, &str, &str)| {
            let mut instance = Instance::with_id_only(ProviderKind::Mock, region.to_owned(), id.to_owned());
            instance.name = (!name.is_empty()).then(|| name.to_owned());
            instance
        };
        host_names(&instances.iter().map(instance).collect::<Vec<_>>())
    }

    #[test]
    fn host_name_means_one_instance() {
        let own = |name: &str| HostName::Own(name.to_owned());
        let regional = |name: &str| HostName::WithRegion(name.to_owned());
        let found = names(&[("a", "eu", "1"), ("b", "eu", "2"), ("b", "us", "3"), ("", "us", "4")]);
        assert_eq!(
            found,
            [own("a"), regional("b.eu"), regional("b.us"), HostName::Nameless]
        );
        let found = names(&[
            ("b", "eu", "1"),
            ("b", "eu", "2"),
            ("b", "us", "3"),
            ("b.us", "eu", "4"),
        ]);
        assert_eq!(
            found,
            [HostName::Shared, HostName::Shared, HostName::Shared, own("b.us")]
        );
        // A name that is the id of another instance, and one that would be.
        let found = names(&[("2", "eu", "1"), ("x", "eu", "2"), ("x", "us", "x.eu")]);
        assert_eq!(found, [regional("2.eu"), HostName::Shared, regional("x.us")]);
    }

    #[test]
    fn word_with_a_meaning_elsewhere_is_no_plain_word() {
        let found = names(&[("web *", "eu", "1")]);
        assert_eq!(found, [HostName::Unsafe]);
        for text in [
            "", "a b", "-o", ".a", "a*", "a?", "!a", "a\"", "a'", "$(a)", "`a`", "a\n", "é", "a/b", "a%h",
        ] {
            assert!(!is_plain_word(text), "{text}");
        }
        assert!(!is_plain_word(&"a".repeat(129)) && is_plain_word("Web_1.eu-2"));
    }
}
