//! Logging in to an instance by SSH: its host keys, its user, and the tunnel of gcloud.

use google_cloud_compute_v1::model::metadata::Items;

use super::api::client::{Client, with_call_options};
use super::create::instance_metadata::{OS_LOGIN_KEY, SSH_KEYS, is_true, is_windows, project_metadata};
use super::instances::from_api::license_projects;
use super::instances::list::get_by_ref;
use crate::cloud::{ErrorKind, HostKey, Instance, InstanceRef, LoginUser, Result, Tunnel, key_fingerprint};

/// The tunnel through Identity-Aware Proxy.
/// <https://cloud.google.com/sdk/gcloud/reference/compute/start-iap-tunnel>
pub(super) const TUNNELS: &[Tunnel] = &[Tunnel {
    name: "iap",
    program: "gcloud",
    install_hint: "install the Google Cloud CLI: https://cloud.google.com/sdk/docs/install",
    command: |instance, port, _| {
        // The API's rules for names allow none that begins with a hyphen, which gcloud would take for an option.
        let name = instance.reference.native_name.as_deref().or(instance.name.as_deref());
        let name = name.map(|name| name.trim_start_matches('-'));
        let mut words = vec!["gcloud".to_owned(), "compute".to_owned(), "start-iap-tunnel".to_owned()];
        words.extend([
            name.unwrap_or_default().to_owned(),
            port.to_string(),
            "--listen-on-stdin".to_owned(),
        ]);
        words.extend([
            format!("--zone={}", instance.reference.scope),
            "--verbosity=warning".to_owned(),
        ]);
        words.extend(instance.account.iter().map(|project| format!("--project={project}")));
        words
    },
}];

/// The guest attributes that Google's guest agent writes host keys to. Their keys are the algorithms.
/// <https://cloud.google.com/compute/docs/connect/verify-host-keys>
const HOST_KEYS_PATH: &str = "hostkeys/";

/// Reads the host keys in the guest attributes; none where the instance or its project does not allow guest attributes, or
/// nothing was written yet.
pub(super) async fn published_host_keys(client: &Client, target: &InstanceRef) -> Result<Vec<HostKey>> {
    let api = get_by_ref(client, target).await?;
    let name = api.name.unwrap_or_default();
    let (project, instances) = (client.project().await?, client.instances().await?);
    let answer = client.read("read the guest attributes", &target.scope, || {
        let call = instances
            .get_guest_attributes()
            .set_project(project)
            .set_zone(&target.scope);
        with_call_options(call.set_instance(&name).set_query_path(HOST_KEYS_PATH)).send()
    });
    match answer.await {
        Ok(attributes) => {
            let entries = attributes.query_value.unwrap_or_default().items.into_iter();
            Ok(entries
                .filter_map(|entry| HostKey::from_parts(&entry.key?, &entry.value?))
                .collect())
        }
        // It has no such attributes, or they are turned off.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidSpec
            ) =>
        {
            tracing::debug!(%error, "no host keys in guest attributes");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// The user of a key in the metadata of the instance, or else of the project.
pub(super) async fn login_user(client: &Client, instance: &Instance, own_keys: &[String]) -> Result<LoginUser> {
    let api = get_by_ref(client, &instance.reference).await?;
    if license_projects(&api).any(is_windows) {
        return Ok(LoginUser::Windows);
    }
    let own_items = api.metadata.unwrap_or_default().items;
    let project_items = match project_metadata(client).await {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Vec::new(),
        metadata => metadata?.items,
    };
    let value = |key: &str| find_value(&own_items, key).or_else(|| find_value(&project_items, key));
    if value(OS_LOGIN_KEY).is_some_and(is_true) {
        let reason =
            "it uses OS Login, where your Google account decides it: `gcloud compute os-login describe-profile`";
        return Ok(LoginUser::Unknown(reason.to_owned()));
    }
    let project_keys = match find_value(&own_items, "block-project-ssh-keys").is_some_and(is_true) {
        true => None,
        false => find_value(&project_items, SSH_KEYS),
    };
    let lines: Vec<&str> = [find_value(&own_items, SSH_KEYS), project_keys]
        .into_iter()
        .flatten()
        .flat_map(str::lines)
        .collect();
    let unknown = || LoginUser::Unknown("no SSH key is in its metadata".to_owned());
    Ok(select_user(&lines, own_keys).unwrap_or_else(unknown))
}

fn find_value<'a>(items: &'a [Items], key: &str) -> Option<&'a str> {
    let item = items.iter().find(|item| item.key.as_deref() == Some(key))?;
    item.value.as_deref()
}

/// The user of the first line `USER:KEY` with one of these keys, or else of the first line.
fn select_user(lines: &[&str], own_keys: &[String]) -> Option<LoginUser> {
    let entries: Vec<(&str, &str)> = lines.iter().filter_map(|line| line.trim().split_once(':')).collect();
    let is_own = |key: &str| key_fingerprint(key).is_some_and(|fingerprint| own_keys.contains(&fingerprint));
    match (entries.iter().find(|(_, key)| is_own(key)), entries.as_slice()) {
        (Some((user, _)), _) | (None, [(user, _)]) => Some(LoginUser::Name((*user).to_owned())),
        (None, [(user, _), ..]) => Some(LoginUser::Guess((*user).to_owned())),
        (None, []) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_of_own_key_is_preferred() {
        let key =
            |end: char| format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkFcXi3XI5mjUOw7XdtfZyD+X2rSLsv2RVU6cbPDOh{end}");
        let (ada, bob) = (format!("ada:{} ada", key('I')), format!("bob:{} bob", key('E')));
        let own = [key_fingerprint(&key('E')).unwrap()];
        assert_eq!(
            select_user(&[&ada, &bob], &own),
            Some(LoginUser::Name("bob".to_owned()))
        );
        assert_eq!(
            select_user(&[&ada, &bob], &[]),
            Some(LoginUser::Guess("ada".to_owned()))
        );
        assert_eq!(select_user(&[&ada], &[]), Some(LoginUser::Name("ada".to_owned())));
        assert_eq!(select_user(&["nothing"], &own), None);
    }
}
