//! OS Login: where it is on, the guest takes keys from people's Google accounts, and those in metadata mean nothing.
//! Only Compute Engine.
//!
//! <https://cloud.google.com/compute/docs/oslogin>

use super::metadata::ssh_keys;
use crate::cloud::{Error, ErrorKind, InstanceSpec, Result, SshKey};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::retry::prepared;
use crate::providers::gcp::native_options::Options;

const KEY: &str = "enable-oslogin";
/// What is called the same in metadata, where keys in the older form stand.
const SSH_KEYS: &str = "ssh-keys";

/// The value of `ssh-keys` for a new instance: the key that was asked for, or else the user's own where it is of use.
///
/// # Errors
/// `Refused` for a key that was asked for and that OS Login would leave without effect; as [`ssh_keys`].
pub(crate) async fn keys_for(client: &Client, spec: &InstanceSpec, options: &Options) -> Result<Option<String>> {
    if let Some(asked) = &spec.ssh_key {
        let keys = ssh_keys(asked)?;
        return match is_on(client, options).await {
            true => Err(refusal()),
            false => Ok(Some(keys)),
        };
    }
    let Some(own) = spec
        .default_ssh_key
        .as_ref()
        .filter(|_| !options.metadata.contains_key(SSH_KEYS))
    else {
        return Ok(None);
    };
    // What nobody asked for cannot be wrong.
    let Ok(keys) = ssh_keys(&SshKey::PublicKey(own.clone())) else {
        tracing::warn!("your own public key is left out: it is not in OpenSSH's one-line form");
        return Ok(None);
    };
    if is_on(client, options).await {
        tracing::warn!(
            "your own public key is left out: the VM uses OS Login, which knows the keys of your Google account \
             (`gcloud compute os-login ssh-keys add --key-file FILE`)"
        );
        return Ok(None);
    }
    Ok(Some(keys))
}

fn refusal() -> Error {
    let message = "the VM would use OS Login, which does not take the key of --ssh-key";
    Error::new(ErrorKind::Refused, message).with_remedy(
        "run `gcloud compute os-login ssh-keys add --key-file FILE` and leave --ssh-key out, or turn it off for the \
         VM: --native metadata=enable-oslogin=FALSE",
    )
}

/// Whether the instance would use OS Login: by its own metadata, or else by the project's. What cannot be asked is taken
/// for off, which it is by default.
async fn is_on(client: &Client, options: &Options) -> bool {
    match options.metadata.get(KEY) {
        Some(own) => is_true(own),
        None => is_on_in_project(client).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "whether the project uses OS Login cannot be told");
            false
        }),
    }
}

async fn is_on_in_project(client: &Client) -> Result<bool> {
    let (project, projects) = (client.project().await?, client.projects().await?);
    let answer = client.read("read the project's metadata", "", || {
        prepared(projects.get().set_project(project)).send()
    });
    let metadata = answer.await?.common_instance_metadata.unwrap_or_default();
    let own = metadata.items.into_iter().find(|item| item.key.as_deref() == Some(KEY));
    Ok(own.and_then(|item| item.value).is_some_and(|value| is_true(&value)))
}

/// As the guest reads it. <https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys>
pub(crate) fn is_true(value: &str) -> bool {
    ["true", "y", "yes", "1"].contains(&value.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_says_yes_in_several_ways() {
        assert!(["TRUE", "true", "Yes", "1", " y"].into_iter().all(is_true));
        assert!(!["FALSE", "", "0", "no"].into_iter().any(is_true));
    }
}
