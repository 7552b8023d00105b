//! The token under which a create call can be replayed without making a second instance.

use sha2::{Digest, Sha256};

use super::{InstanceSpec, ProviderKind};

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
        if let Some(substitute) = spec.chosen_type.as_ref().filter(|_| spec.is_substitute) {
            text.push_str(&format!("\non {substitute}"));
        }
        Self(Sha256::digest(text).into())
    }

    /// 64 hexadecimal digits, the longest token that EC2 takes.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The token as bytes, for clouds that want a UUID.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Place;

    fn token(change: impl Fn(&mut InstanceSpec), region: &str, generation: u32) -> String {
        let place = Place {
            region: region.to_owned(),
            zone: None,
        };
        let mut spec = InstanceSpec::plain("web-1".parse().unwrap(), place);
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
                spec.is_substitute = true;
                spec.chosen_type = Some(name.to_owned());
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
        let chosen = token(|spec| spec.chosen_type = Some("m7i.large".to_owned()), "us-east-1", 0);
        assert_eq!(chosen, tokens[0]);
    }
}
