//! The fingerprint of a spec: how a re-run sees that the instance of its name was made from the same spec, or
//! which fields differ.
//!
//! It fits a Compute Engine label (63 of `a-z 0-9 - _`), keeps secrets secret, and says *which* field differs
//! although a label has no room for the fields themselves: a digest of the whole, then two characters for each
//! field in the order of [`SPEC_FIELDS`]. An unset field has the digest `--`, so that fields added by a later
//! version do not disturb the instances of an earlier one.
//! The token under which a create call can be replayed without making a second instance.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{InstanceSpec, ProviderKind, SshKey, remove_key_comment};

/// The fields that are compared, by their flags' names. Only ever appended to. The name and the place are not
/// among them: they are how the instance was found.
pub const SPEC_FIELDS: [&str; 21] = [
    "type",
    "image",
    "disk",
    "disk-type",
    "ssh-key",
    "user-data",
    "network",
    "subnet",
    "firewall",
    "no-public-ip",
    "identity",
    "label",
    "spot",
    "native",
    "protect",
    "ttl",
    "cpus",
    "memory",
    "arch",
    "gpu",
    "open",
];

/// 32 characters that are in order in a label and in no shell special.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const WHOLE_LENGTH: usize = 16;
const UNSET: &str = "--";
/// As much as a label takes on every cloud.
const LONGEST: usize = 63;

/// The fingerprint of a spec; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    text: String,
    /// What earlier versions gave the same spec: they counted the comment of a public key.
    earlier: Option<String>,
}

impl Fingerprint {
    /// Takes the fingerprint of what was asked for.
    pub fn of(spec: &InstanceSpec) -> Self {
        let text = text_of(&field_values(spec, remove_key_comment));
        let earlier = text_of(&field_values(spec, str::to_owned));
        Self {
            earlier: (earlier != text).then_some(earlier),
            text,
        }
    }

    /// The fingerprint as it stands in the label.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a text can be a fingerprint, also one of a later version, which may have more fields.
    pub fn is_well_formed(text: &str) -> bool {
        let clean = |letter: u8| ALPHABET.contains(&letter) || letter == b'-';
        text.len() >= WHOLE_LENGTH && text.len() <= LONGEST && text.bytes().all(clean)
    }

    /// Whether all of a fingerprint is known here. One of a version with more fields cannot be compared.
    pub fn is_comparable(text: &str) -> bool {
        let fields = text.len().saturating_sub(WHOLE_LENGTH);
        fields <= SPEC_FIELDS.len() * UNSET.len() && fields.is_multiple_of(UNSET.len())
    }

    /// Whether the spec behind a fingerprint said something of a field, by its flag's name.
    pub fn is_set(fingerprint: &str, field: &str) -> bool {
        let index = SPEC_FIELDS.iter().position(|known| *known == field);
        index.is_some_and(|index| field_digest(fingerprint, index) != UNSET)
    }

    /// The fields, by their flags' names, in which the spec behind `other` differs from this one. Nothing if
    /// they are the same; `["spec"]` if they differ but it cannot be told where.
    pub fn differing_fields(&self, other: &str) -> Vec<&'static str> {
        let texts = || [Some(&self.text), self.earlier.as_ref()].into_iter().flatten();
        if texts().any(|text| text == other) {
            return Vec::new();
        }
        let fields: Vec<_> = SPEC_FIELDS
            .iter()
            .enumerate()
            .filter(|(index, _)| texts().all(|text| field_digest(text, *index) != field_digest(other, *index)))
            .map(|(_, field)| *field)
            .collect();
        if fields.is_empty() { vec!["spec"] } else { fields }
    }
}

fn text_of(fields: &[Value; SPEC_FIELDS.len()]) -> String {
    let set: Vec<(&str, &Value)> = SPEC_FIELDS
        .iter()
        .copied()
        .zip(fields)
        .filter(|(_, value)| !value.is_null())
        .collect();
    let whole = digest(&json!(set));
    let mut text = whole[..WHOLE_LENGTH].to_owned();
    for value in fields {
        if value.is_null() {
            text.push_str(UNSET);
        } else {
            text.push_str(&digest(value)[..UNSET.len()]);
        }
    }
    text.trim_end_matches('-').to_owned()
}

fn field_digest(fingerprint: &str, index: usize) -> &str {
    let start = WHOLE_LENGTH + index * UNSET.len();
    fingerprint.get(start..start + UNSET.len()).unwrap_or(UNSET)
}

/// The values in the order of [`SPEC_FIELDS`]; null where nothing was asked for.
fn field_values(spec: &InstanceSpec, key_text: fn(&str) -> String) -> [Value; SPEC_FIELDS.len()] {
    let ssh_key = spec.ssh_key.as_ref().map(|key| match key {
        SshKey::Name(name) => json!({ "name": name }),
        SshKey::PublicKey(key) => json!({ "public": key_text(key) }),
    });
    let user_data = spec
        .user_data
        .as_ref()
        .map(|data| json!(hex::encode(Sha256::digest(data.expose()))));
    let mut firewalls = spec.firewalls.clone();
    firewalls.sort();
    let mut openings: Vec<_> = spec.ingress_rules.iter().map(ToString::to_string).collect();
    openings.sort();
    [
        json!(spec.machine_type),
        json!(spec.image),
        json!(spec.disk_gib),
        json!(spec.disk_type),
        ssh_key.unwrap_or_default(),
        user_data.unwrap_or_default(),
        json!(spec.network),
        json!(spec.subnet),
        set_or_null(!firewalls.is_empty(), json!(firewalls)),
        set_or_null(!spec.public_ip, json!(true)),
        json!(spec.identity),
        set_or_null(!spec.labels.is_empty(), json!(spec.labels)),
        set_or_null(spec.spot, json!(true)),
        set_or_null(!spec.native.is_empty(), json!(spec.native)),
        set_or_null(spec.protected, json!(true)),
        json!(spec.ttl.map(|ttl| ttl.as_secs())),
        json!(spec.requirements.cpus),
        json!(spec.requirements.memory_gib),
        json!(spec.requirements.architecture.map(|architecture| architecture.as_str())),
        json!(spec.requirements.gpu.as_ref().map(ToString::to_string)),
        set_or_null(!openings.is_empty(), json!(openings)),
    ]
}

fn set_or_null(set: bool, value: Value) -> Value {
    if set { value } else { Value::Null }
}

fn digest(value: &Value) -> String {
    Sha256::digest(value.to_string())
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

/// Derived from the place and the name and never from the spec: were the spec in it, the same name with an
/// edited spec would make a second instance. Every cloudctl process derives the same token. Not for Compute Engine, where
/// the name itself is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyToken([u8; 32]);

impl IdempotencyToken {
    /// The token for one life (`generation`, from 0) of the spec's name in `scope`: a region, with the project before it
    /// where the cloud has projects. Those members of a group that one call makes have a token of their own, and so has
    /// what is made on another machine type than the one that had no room: clouds remember the refused call, too.
    pub fn derive(provider: ProviderKind, scope: &str, spec: &InstanceSpec, generation: u32) -> Self {
        // The leading word versions the derivation: a change of it would make every re-run a new instance.
        let mut text = format!("cloudctl-1\n{provider}\n{scope}\n{}\n{generation}", spec.name);
        if let Some(members) = &spec.members {
            text.push_str(&format!("\n{members}"));
        }
        if let Some(substitute) = spec.selected_machine_type.as_ref().filter(|_| spec.is_alternative) {
            text.push_str(&format!("\non {substitute}"));
        }
        Self(Sha256::digest(text).into())
    }

    /// 64 hexadecimal digits, the longest token that EC2 takes.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The token as bytes, for clouds that want a UUID.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Location, Secret};

    fn spec() -> InstanceSpec {
        InstanceSpec::new(
            "web-1".parse().unwrap(),
            Location {
                region: "us-east-1".into(),
                zone: None,
            },
        )
    }

    #[test]
    fn names_the_fields_that_differ() {
        let plain = Fingerprint::of(&spec());
        let mut changed = spec();
        changed.machine_type = Some("m7i.large".into());
        changed.user_data = Some(Secret::new(b"#!/bin/sh".to_vec()));
        let changed = Fingerprint::of(&changed);
        assert_eq!(plain.differing_fields(changed.as_str()), ["type", "user-data"]);
        assert_eq!(plain.differing_fields(plain.as_str()), Vec::<&str>::new());
        assert_eq!(plain.differing_fields("0000000000000000"), ["spec"]);
    }

    #[test]
    fn fingerprint_of_a_later_version_is_plausible_and_not_known() {
        let own = "0123456789abcdef".to_owned() + &"ab".repeat(SPEC_FIELDS.len());
        assert!(Fingerprint::is_well_formed(&own) && Fingerprint::is_comparable(&own));
        for later in [own.clone() + "cd", own.clone() + "cdef", "0123456789abcdef0".to_owned()] {
            assert!(
                Fingerprint::is_well_formed(&later) && !Fingerprint::is_comparable(&later),
                "{later}"
            );
        }
        assert!(!Fingerprint::is_well_formed(&"a".repeat(64)));
    }

    #[test]
    fn fits_a_compute_engine_label() {
        let mut full = spec();
        full.native.insert("key".into(), json!(1));
        full.spot = true;
        let fingerprint = Fingerprint::of(&full);
        assert!(fingerprint.as_str().len() <= 63);
        assert!(
            fingerprint
                .as_str()
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        );
    }

    #[test]
    fn the_order_of_firewalls_does_not_matter() {
        let (mut one, mut other) = (spec(), spec());
        one.firewalls = vec!["a".into(), "b".into()];
        other.firewalls = vec!["b".into(), "a".into()];
        assert_eq!(Fingerprint::of(&one), Fingerprint::of(&other));
    }

    #[test]
    fn stays_what_it_was_in_the_first_version() {
        // A change of these values would make every re-run after an upgrade a conflict.
        assert_eq!(Fingerprint::of(&spec()).as_str(), "fkd1cbac3mvztyb5");
        let mut typed = spec();
        typed.machine_type = Some("m7i.large".into());
        assert_eq!(Fingerprint::of(&typed).as_str(), "g49f6gpfpqqftbqg5w");
    }

    #[test]
    fn comment_of_a_key_is_no_difference() {
        let with_key = |key: &str| {
            let mut spec = spec();
            spec.ssh_key = Some(SshKey::PublicKey(key.to_owned()));
            Fingerprint::of(&spec)
        };
        let me = with_key("ssh-ed25519 AAAA me@here");
        assert_eq!(me.as_str(), with_key("ssh-ed25519 AAAA").as_str());
        assert_eq!(me.as_str(), with_key("ssh-ed25519  AAAA you\n").as_str());
        assert_eq!(me.differing_fields(with_key("ssh-ed25519 BBBB").as_str()), ["ssh-key"]);
        // What version 56370be gave these: VMs that it made are still those of the same spec.
        let (earlier, plain) = ("99n9xt8qk4rbamaj--------nc", "p8rrbakchnhzyper--------gg");
        assert_eq!(me.differing_fields(earlier), Vec::<&str>::new());
        assert_eq!(with_key("ssh-ed25519 AAAA").as_str(), plain);
        assert_eq!(
            with_key("ssh-ed25519 AAAA other").differing_fields(earlier),
            ["ssh-key"]
        );
    }
}

#[cfg(test)]
mod token_tests {
    use super::*;
    use crate::cloud::Location;

    fn token(change: impl Fn(&mut InstanceSpec), region: &str, generation: u32) -> String {
        let place = Location {
            region: region.to_owned(),
            zone: None,
        };
        let mut spec = InstanceSpec::new("web-1".parse().unwrap(), place);
        change(&mut spec);
        IdempotencyToken::derive(ProviderKind::Aws, region, &spec, generation).to_hex()
    }

    #[test]
    fn is_the_same_in_every_version() {
        // A change of this value would make every re-run after an upgrade a second instance.
        assert_eq!(
            token(|_| {}, "us-east-1", 0),
            "11fe0466e44b642dd21568452871c266cf546cc6fa44f253ce5770ba54f1d750"
        );
    }

    #[test]
    fn each_life_place_part_of_a_group_and_substitute_has_its_own() {
        let substitute = |name: &'static str| {
            move |spec: &mut InstanceSpec| {
                spec.is_alternative = true;
                spec.selected_machine_type = Some(name.to_owned());
            }
        };
        let members = |text: &'static str| move |spec: &mut InstanceSpec| spec.members = text.parse().ok();
        let tokens = [
            token(|_| {}, "us-east-1", 0),
            token(|_| {}, "us-east-1", 1),
            token(|_| {}, "us-east-2", 0),
            token(members("1-3"), "us-east-1", 0),
            token(members("2-3"), "us-east-1", 0),
            token(substitute("m7i.large"), "us-east-1", 0),
            token(substitute("m6i.large"), "us-east-1", 0),
        ];
        let different: std::collections::HashSet<_> = tokens.iter().collect();
        assert_eq!(different.len(), tokens.len());
        // The type that was picked first is no part of it: tomorrow another one may be the cheapest.
        let chosen = token(
            |spec| spec.selected_machine_type = Some("m7i.large".to_owned()),
            "us-east-1",
            0,
        );
        assert_eq!(chosen, tokens[0]);
    }
}
