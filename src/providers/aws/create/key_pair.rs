//! Key pairs: EC2 keeps SSH keys under names. Compute Engine takes the key itself.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{KeyType, ResourceType};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use sha2::{Digest, Sha256};

use crate::cloud::{Error, ErrorKind, ErrorLocation, InstanceSpec, ProviderKind, Result, SshKey, quoted};
use crate::providers::aws::api::error::{Call, translate, with_sdk_details};
use crate::providers::aws::tags::managed_tag_specification;
use crate::providers::common::spec_limits::split_public_key;

/// A public key to import. Its name is a digest of the key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) name: String,
    pub(crate) material: String,
}

impl PublicKey {
    /// Reads a public key in OpenSSH's one-line format.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let (kind, body) = split_public_key(line)?;
        if !matches!(kind, "ssh-rsa" | "ssh-ed25519") {
            // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html
            return Err(
                Error::invalid("ec2 imports public keys of the kinds ssh-rsa and ssh-ed25519 only")
                    .with_hint("make one with `ssh-keygen -t ed25519`"),
            );
        }
        // The comment after the key is left out: it does not change the key.
        let material = format!("{kind} {body}");
        let digest = Sha256::digest(&material);
        let digits = hex::encode(&digest[..8]);
        Ok(Self {
            name: format!("cloudctl-{digits}"),
            material,
        })
    }

    /// Imports the key into the region. It may exist there already.
    pub(crate) async fn import(&self, client: &Client, region: &str) -> Result<()> {
        tracing::debug!(operation = "ImportKeyPair", place = region, "call");
        let answer = client
            .import_key_pair()
            .key_name(&self.name)
            .public_key_material(aws_smithy_types::Blob::new(self.material.as_bytes()))
            .tag_specifications(managed_tag_specification(ResourceType::KeyPair))
            .send()
            .await;
        match answer {
            Err(error) if error.code() != Some("InvalidKeyPair.Duplicate") => {
                // A key pair whose response was lost costs nothing, and the next run finds it. So the call counts as
                // a read.
                Err(translate(&error, Call::Read, "cannot import the public key", region))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn key_pair_name(spec: &InstanceSpec) -> Option<String> {
    match &spec.ssh_key {
        Some(SshKey::Name(name)) => Some(name.clone()),
        _ => None,
    }
}

/// Imports the key of a spec and returns its name; `None` if the spec has no key or names a key pair. The user's
/// default key is left out if EC2 does not accept it, because the user did not request it.
pub(crate) async fn import_key(client: &Client, spec: &InstanceSpec, is_windows: bool) -> Result<Option<String>> {
    match (&spec.ssh_key, &spec.default_ssh_key) {
        (Some(SshKey::PublicKey(line)), _) => import_public_key(client, spec, line).await.map(Some),
        // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html
        (None, Some(line)) if is_windows && is_ed25519(line) => {
            tracing::warn!(
                "{} is created without your default public key: for Windows, ec2 accepts only RSA keys, and without a key there is no password; pass an RSA key with --ssh-key",
                spec.name
            );
            Ok(None)
        }
        (None, Some(line)) => match import_public_key(client, spec, line).await {
            Ok(name) => Ok(Some(name)),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidSpec) => {
                tracing::warn!("{} is made without your own public key: {error}", spec.name);
                Ok(None)
            }
            Err(error) => Err(error),
        },
        _ => Ok(None),
    }
}

async fn import_public_key(client: &Client, spec: &InstanceSpec, line: &str) -> Result<String> {
    let key = PublicKey::parse(line)?;
    key.import(client, &spec.location.region).await?;
    Ok(key.name)
}

fn is_ed25519(line: &str) -> bool {
    PublicKey::parse(line).is_ok_and(|key| key.material.starts_with("ssh-ed25519 "))
}

/// Refuses a key pair that does not exist, and returns the type of one that does.
pub(crate) async fn check_key_pair(client: &Client, region: &str, name: &str) -> Result<KeyType> {
    tracing::debug!(operation = "DescribeKeyPairs", place = region, "call");
    let answer = client.describe_key_pairs().key_names(name).send().await;
    let output = answer.map_err(|error| match error.code() {
        Some("InvalidKeyPair.NotFound") => {
            let not_found = Error::invalid(format!("key pair {} does not exist in {region}", quoted(name)))
                .at(ErrorLocation::new(ProviderKind::Aws, region))
                .with_hint("pass a public key file instead; cloudctl imports it");
            with_sdk_details(not_found, &error)
        }
        _ => translate(&error, Call::Read, format!("cannot look up key pair {name}"), region),
    })?;
    let key_type = output.key_pairs().first().and_then(|pair| pair.key_type().cloned());
    Ok(key_type.unwrap_or(KeyType::Rsa))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_name_ignores_comment() {
        let one = PublicKey::parse("ssh-ed25519 AAAAC3Nz me@here\n").unwrap();
        let other = PublicKey::parse("ssh-ed25519 AAAAC3Nz").unwrap();
        assert_eq!(one, other);
        assert!(one.name.starts_with("cloudctl-") && one.name.len() == "cloudctl-".len() + 16);
    }
}
