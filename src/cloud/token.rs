//! The token under which a create call can be replayed without making a second instance.

use sha2::{Digest, Sha256};

use super::{InstanceName, Members, ProviderKind};

/// Derived from the place and the name and never from the spec: were the spec in it, the same name with an
/// edited spec would make a second instance. Every cloudctl process derives the same token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyToken([u8; 32]);

impl IdempotencyToken {
    /// The token for one life (`generation`, from 0) of `name` in `scope`: a region, with the project before it
    /// where the cloud has projects.
    pub fn derive(provider: ProviderKind, scope: &str, name: &InstanceName, generation: u32) -> Self {
        // The leading word versions the derivation: a change of it would make every re-run a new instance.
        let text = format!("cloudctl-1\n{provider}\n{scope}\n{name}\n{generation}");
        Self(Sha256::digest(text).into())
    }

    /// The same for those members of the group `name` that one call makes; other members have another token, and so has
    /// an instance that has the group's name for its own.
    pub fn derive_for_members(
        provider: ProviderKind,
        scope: &str,
        name: &InstanceName,
        members: &Members,
        generation: u32,
    ) -> Self {
        let text = format!("cloudctl-1\n{provider}\n{scope}\n{name}\n{generation}\n{members}");
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

    #[test]
    fn is_the_same_in_every_version() {
        let name = "web-1".parse().unwrap();
        let token = IdempotencyToken::derive(ProviderKind::Aws, "us-east-1", &name, 0);
        // A change of this value would make every re-run after an upgrade a second instance.
        assert_eq!(
            token.to_hex(),
            "11fe0466e44b642dd21568452871c266cf546cc6fa44f253ce5770ba54f1d750"
        );
        assert_ne!(
            token,
            IdempotencyToken::derive(ProviderKind::Aws, "us-east-1", &name, 1)
        );
        assert_ne!(
            token,
            IdempotencyToken::derive(ProviderKind::Aws, "us-east-2", &name, 0)
        );
        let of_members = |members: &str| {
            let members = members.parse().unwrap();
            IdempotencyToken::derive_for_members(ProviderKind::Aws, "us-east-1", &name, &members, 0)
        };
        assert_eq!(
            of_members("1-3").to_hex(),
            "4cb1f7f9b83c118a689aaeebc2c5fd3277dd49f328b0d904e5c33f4fe0512c1c"
        );
        assert_ne!(of_members("1-3"), of_members("1-2"));
        assert_ne!(of_members("1-3"), token);
    }
}
