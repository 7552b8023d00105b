//! The fingerprint of a spec, by which a rerun sees whether an instance was created from the same spec, and the token that
//! makes a repeated create call harmless.
//!
//! The fingerprint fits a Compute Engine label (63 of `a-z 0-9 - _`) and shows no secret. It has a digest of the whole
//! spec, then two characters for each field in the order of [`SPEC_FIELDS`], so that it tells *which* field differs. A
//! field without a value has `--`: fields that a later version adds change nothing for instances of an earlier one.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{InstanceSpec, ProviderKind, SshKey, remove_key_comment};

/// The fields that are compared, by the names of their flags. New fields are added at the end only. The name and the
/// location are not among them: the instance was found by these.
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

/// 32 characters that are allowed in a label and have no meaning to a shell.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SPEC_DIGEST_LENGTH: usize = 16;
/// The digest of a field without a value. Every digest of a field has its length.
const UNSET: &str = "--";
/// The longest label value that every cloud accepts.
const MAX_LENGTH: usize = 63;

/// The fingerprint of a spec; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    text: String,
    /// What earlier versions computed for the same spec: they counted the comment of a public key.
    earlier_text: String,
}

impl Fingerprint {
    /// Computes the fingerprint of a spec.
    pub fn of(spec: &InstanceSpec) -> Self {
        Self {
            text: compute_text(&field_values(spec, remove_key_comment)),
            earlier_text: compute_text(&field_values(spec, str::to_owned)),
        }
    }

    /// The fingerprint as the label has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a text can be a fingerprint, also one of a later version, which may have more fields.
    pub fn is_well_formed(text: &str) -> bool {
        let is_allowed = |letter: u8| ALPHABET.contains(&letter) || letter == b'-';
        (SPEC_DIGEST_LENGTH..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed)
    }

    /// Whether this version can compare a fingerprint: not one of a later version, with more fields.
    pub fn is_comparable(text: &str) -> bool {
        let fields_length = text.len().saturating_sub(SPEC_DIGEST_LENGTH);
        fields_length <= SPEC_FIELDS.len() * UNSET.len() && fields_length.is_multiple_of(UNSET.len())
    }

    /// Whether the spec of a fingerprint has a value of a field.
    pub fn is_set(fingerprint: &str, field: &str) -> bool {
        let index = SPEC_FIELDS.iter().position(|known| *known == field);
        index.is_some_and(|index| field_digest(fingerprint, index) != UNSET)
    }

    /// The fields in which the spec of the fingerprint `other` differs from this one. Empty if the specs are the same;
    /// `["spec"]` if they differ, but not in a known field.
    pub fn differing_fields(&self, other: &str) -> Vec<&'static str> {
        if other == self.text || other == self.earlier_text {
            return Vec::new();
        }
        let mut fields = Vec::new();
        for (index, field) in SPEC_FIELDS.into_iter().enumerate() {
            let other_digest = field_digest(other, index);
            let own_digests = [&self.text, &self.earlier_text].map(|text| field_digest(text, index));
            if !own_digests.contains(&other_digest) {
                fields.push(field);
            }
        }
        if fields.is_empty() {
            fields.push("spec");
        }
        fields
    }
}

fn compute_text(fields: &[Value; SPEC_FIELDS.len()]) -> String {
    let names_and_values = SPEC_FIELDS.into_iter().zip(fields);
    let set_fields: Vec<_> = names_and_values.filter(|(_, value)| !value.is_null()).collect();
    let mut text = digest(&json!(set_fields))[..SPEC_DIGEST_LENGTH].to_owned();
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
    let start = SPEC_DIGEST_LENGTH + index * UNSET.len();
    fingerprint.get(start..start + UNSET.len()).unwrap_or(UNSET)
}

/// The values in the order of [`SPEC_FIELDS`]; null for a field without a value.
fn field_values(spec: &InstanceSpec, format_key: fn(&str) -> String) -> [Value; SPEC_FIELDS.len()] {
    let ssh_key = spec.ssh_key.as_ref().map(|key| match key {
        SshKey::Name(name) => json!({ "name": name }),
        SshKey::PublicKey(key) => json!({ "public": format_key(key) }),
    });
    let user_data = spec
        .user_data
        .as_ref()
        .map(|data| json!(hex::encode(Sha256::digest(data.expose()))));
    let mut firewalls = spec.firewalls.clone();
    firewalls.sort();
    let mut ingress_rules: Vec<_> = spec.ingress_rules.iter().map(ToString::to_string).collect();
    ingress_rules.sort();
    [
        json!(spec.machine_type),
        json!(spec.image),
        json!(spec.disk_gib),
        json!(spec.disk_type),
        ssh_key.unwrap_or_default(),
        user_data.unwrap_or_default(),
        json!(spec.network),
        json!(spec.subnet),
        value_if(!firewalls.is_empty(), json!(firewalls)),
        value_if(!spec.public_ip, json!(true)),
        json!(spec.identity),
        value_if(!spec.labels.is_empty(), json!(spec.labels)),
        value_if(spec.spot, json!(true)),
        value_if(!spec.native.is_empty(), json!(spec.native)),
        value_if(spec.protected, json!(true)),
        json!(spec.ttl.map(|ttl| ttl.as_secs())),
        json!(spec.requirements.cpus),
        json!(spec.requirements.memory_gib),
        json!(spec.requirements.architecture.map(|architecture| architecture.as_str())),
        json!(spec.requirements.gpu.as_ref().map(ToString::to_string)),
        value_if(!ingress_rules.is_empty(), json!(ingress_rules)),
    ]
}

fn value_if(is_set: bool, value: Value) -> Value {
    if is_set { value } else { Value::Null }
}

fn digest(value: &Value) -> String {
    Sha256::digest(value.to_string())
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

/// The token of a create call. It is derived from the location and the name, and not from the spec: otherwise the same name
/// with another spec would create a second instance. Every process derives the same token. Compute Engine needs none: its
/// names are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyToken([u8; 32]);

impl IdempotencyToken {
    /// Derives the token of a generation of the spec's name in `scope`: a region, after the project where the cloud has
    /// projects. The members that one call creates have a token of their own, and so has an alternative machine type:
    /// clouds also remember a call that they refused.
    pub fn derive(provider: ProviderKind, scope: &str, spec: &InstanceSpec, generation: u32) -> Self {
        // The first word is the version of the derivation. With another one every rerun would create a new instance.
        let mut text = format!("cloudctl-1\n{provider}\n{scope}\n{}\n{generation}", spec.name);
        if let Some(members) = &spec.members {
            text.push_str(&format!("\n{members}"));
        }
        if let Some(machine_type) = &spec.selected_machine_type
            && spec.is_alternative
        {
            text.push_str(&format!("\non {machine_type}"));
        }
        Self(Sha256::digest(text).into())
    }

    /// The token as 64 hexadecimal digits, the most that EC2 accepts.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The token as bytes, for clouds whose tokens are UUIDs.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Location, Secret};

    fn spec() -> InstanceSpec {
        InstanceSpec::new("web-1".parse().unwrap(), Location::in_region("us-east-1"))
    }

    #[test]
    fn fingerprint_tells_which_fields_differ() {
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
    fn fingerprint_of_a_later_version_is_not_compared() {
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
    fn fingerprint_fits_a_compute_engine_label() {
        let mut full = spec();
        full.native.insert("key".into(), json!(1));
        full.spot = true;
        full.ingress_rules = vec!["22".parse().unwrap()];
        assert!(Fingerprint::is_well_formed(Fingerprint::of(&full).as_str()));
    }

    #[test]
    fn order_of_firewalls_does_not_matter() {
        let (mut one, mut other) = (spec(), spec());
        one.firewalls = vec!["a".into(), "b".into()];
        other.firewalls = vec!["b".into(), "a".into()];
        assert_eq!(Fingerprint::of(&one), Fingerprint::of(&other));
    }

    #[test]
    fn fingerprint_is_the_same_in_every_version() {
        // A change of these values would make every rerun after an upgrade a conflict.
        assert_eq!(Fingerprint::of(&spec()).as_str(), "fkd1cbac3mvztyb5");
        let mut typed = spec();
        typed.machine_type = Some("m7i.large".into());
        assert_eq!(Fingerprint::of(&typed).as_str(), "g49f6gpfpqqftbqg5w");
    }

    #[test]
    fn key_comment_is_no_difference() {
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

    fn token(change: impl Fn(&mut InstanceSpec), region: &str, generation: u32) -> String {
        let mut spec = spec();
        change(&mut spec);
        IdempotencyToken::derive(ProviderKind::Aws, region, &spec, generation).to_hex()
    }

    #[test]
    fn token_is_the_same_in_every_version() {
        // A change of this value would make every rerun after an upgrade a second instance.
        assert_eq!(
            token(|_| {}, "us-east-1", 0),
            "11fe0466e44b642dd21568452871c266cf546cc6fa44f253ce5770ba54f1d750"
        );
    }

    #[test]
    fn generations_regions_groups_and_alternatives_have_own_tokens() {
        let alternative = |name: &'static str| {
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
            token(alternative("m7i.large"), "us-east-1", 0),
            token(alternative("m6i.large"), "us-east-1", 0),
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
