//! Metadata: how user data and SSH keys get into the guest.
//!
//! User data goes where the image looks for it. On images of Ubuntu and Container-Optimized OS, which have cloud-init,
//! all of it is `user-data`, run at first boot; binary data, such as gzip, is base64, and `user-data-encoding` says so.
//!
//! On every other image a script (`#!`) is the `startup-script`, which Google's guest agent runs as root at **every**
//! boot; it must be safe to run again.
//!
//! Everything else (`#cloud-config`, MIME) needs cloud-init: it is refused or warned about for images that are known to
//! have none, and is `user-data` on a user's own images.
//!
//! With OS Login the guest takes keys from Google accounts, and ignores those in metadata.
//!
//! <https://cloud.google.com/compute/docs/instances/startup-scripts/linux>,
//! <https://docs.cloud-init.io/en/latest/reference/datasources/gce.html>,
//! <https://cloud.google.com/compute/docs/oslogin>

use base64::Engine as _;
use google_cloud_compute_v1::model::Metadata;
use google_cloud_compute_v1::model::metadata::Items;

use crate::cloud::{
    Error, ErrorKind, InstanceSpec, ProviderKind, Result, SshKey, UserDataReader, find_user_data_problem, is_gzip,
    quoted,
};
use crate::providers::common::spec_limits::{check_size, split_public_key};
use crate::providers::gcp::api::client::{Client, with_call_options};
use crate::providers::gcp::native_options::Options;

/// The most bytes of one value, and of all keys and values.
/// <https://cloud.google.com/compute/docs/metadata/overview#limits>
const MAX_VALUE_BYTES: usize = 256 * 1024;
const MAX_TOTAL_BYTES: usize = 512 * 1024;

/// The metadata key of SSH keys.
pub(crate) const SSH_KEYS: &str = "ssh-keys";

/// The metadata key that lets the guest write attributes, among them its SSH host keys.
/// <https://cloud.google.com/compute/docs/metadata/manage-guest-attributes>
const GUEST_ATTRIBUTES_KEY: &str = "enable-guest-attributes";

/// The metadata key that turns OS Login on or off.
pub(crate) const OS_LOGIN_KEY: &str = "enable-oslogin";

/// Builds the metadata of a new instance. `image_project` is the project of its image, `ssh_keys` the value of that
/// key.
pub(crate) fn build_metadata(
    spec: &InstanceSpec,
    options: &Options,
    image_project: &str,
    ssh_keys: Option<String>,
) -> Result<Option<Metadata>> {
    let mut items: Vec<(&str, String)> = Vec::new();
    if let Some(data) = &spec.user_data {
        items.extend(build_user_data_items(data.expose(), image_project)?);
    }
    if let Some(keys) = ssh_keys {
        items.push((SSH_KEYS, keys));
    }
    if let Some((taken, _)) = items.iter().find(|(key, _)| options.metadata.contains_key(*key)) {
        return Err(Error::invalid(format!(
            "the native option metadata has {taken}, which user data or an SSH key sets already"
        )));
    }
    let users_items = options.metadata.iter();
    items.extend(users_items.map(|(key, value)| (key.as_str(), value.clone())));
    check_sizes(&items)?;
    if items.is_empty() {
        return Ok(None);
    }
    let items = items.into_iter();
    let api_items = items.map(|(key, value)| Items::new().set_key(key).set_value(value));
    Ok(Some(Metadata::new().set_items(api_items)))
}

/// Lets the guest publish its SSH host keys, unless the user's own metadata says whether it may.
pub(crate) fn allow_guest_attributes(metadata: Option<Metadata>, options: &Options) -> Option<Metadata> {
    if options.metadata.contains_key(GUEST_ATTRIBUTES_KEY) {
        return metadata;
    }
    let mut metadata = metadata.unwrap_or_default();
    metadata
        .items
        .push(Items::new().set_key(GUEST_ATTRIBUTES_KEY).set_value("TRUE"));
    Some(metadata)
}

/// What the user should know about the metadata of a new instance.
pub(crate) fn find_metadata_warnings(spec: &InstanceSpec, options: &Options, image_project: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(data) = &spec.user_data {
        warnings.extend(find_ignored_reason(data.expose(), image_project));
    }
    let windows_ssh = options.metadata.get("enable-windows-ssh");
    if spec.ssh_key.is_some() && is_windows(image_project) && !windows_ssh.is_some_and(|value| is_true(value)) {
        // https://cloud.google.com/compute/docs/connect/windows-ssh
        let warning = "the key of --ssh-key does nothing on Windows, unless --native metadata=enable-windows-ssh=TRUE \
                       is given and OpenSSH is installed in the VM";
        warnings.push(warning.to_owned());
    }
    warnings
}

/// Projects whose images have cloud-init.
const WITH_CLOUD_INIT: [&str; 3] = ["ubuntu-os-cloud", "ubuntu-os-pro-cloud", "cos-cloud"];
/// Projects whose images have only Google's guest agent. <https://cloud.google.com/compute/docs/images/os-details>
const WITHOUT_CLOUD_INIT: [&str; 9] = [
    "debian-cloud",
    "rocky-linux-cloud",
    "rocky-linux-accelerator-cloud",
    "centos-cloud",
    "rhel-cloud",
    "rhel-sap-cloud",
    "almalinux-cloud",
    "suse-cloud",
    "suse-sap-cloud",
];
const WINDOWS_PROJECTS: [&str; 2] = ["windows-cloud", "windows-sql-cloud"];

/// Says whether the images of a project are Windows.
pub(crate) fn is_windows(image_project: &str) -> bool {
    WINDOWS_PROJECTS.contains(&image_project)
}

fn build_user_data_items(data: &[u8], image_project: &str) -> Result<Vec<(&'static str, String)>> {
    if is_windows(image_project) {
        return Err(Error::invalid("user data is not run by Windows images on gcp")
            .with_hint("give a script as metadata: --native metadata='{\"sysprep-specialize-script-ps1\": \"…\"}'"));
    }
    let has_cloud_init = WITH_CLOUD_INIT.contains(&image_project);
    let lacks_cloud_init = WITHOUT_CLOUD_INIT.contains(&image_project);
    let Ok(text) = std::str::from_utf8(data) else {
        if lacks_cloud_init {
            let problem = match is_gzip(data) {
                true => "is packed with gzip",
                false => "is not UTF-8 text",
            };
            return Err(Error::invalid(format!(
                "the user data {problem}, and images of {image_project} have no cloud-init that could read it"
            ))
            .with_hint("give a script that begins with #!, as text, or use the image ubuntu-24.04"));
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(data);
        return Ok(vec![
            ("user-data", encoded),
            ("user-data-encoding", "base64".to_owned()),
        ]);
    };
    let is_script = text.starts_with("#!");
    if has_cloud_init || is_script {
        let key = if has_cloud_init { "user-data" } else { "startup-script" };
        return Ok(vec![(key, text.to_owned())]);
    }
    if image_project == "debian-cloud" {
        let is_hidden_script = text.trim_start_matches('\u{feff}').trim_start().starts_with("#!");
        return Err(match is_hidden_script {
            true => Error::invalid("the user data has text before the #! of its script, so no image runs it")
                .with_hint("save it as UTF-8 without a byte order mark, and with #! in its first line"),
            false => Error::invalid("this user data needs cloud-init, which Debian's images on gcp do not have")
                .with_hint("give a script that begins with #!, or use the image ubuntu-24.04"),
        });
    }
    Ok(vec![("user-data", text.to_owned())])
}

/// Returns why the guest would ignore user data; `None` if it runs it.
fn find_ignored_reason(data: &[u8], image_project: &str) -> Option<String> {
    if WITHOUT_CLOUD_INIT.contains(&image_project) && !data.starts_with(b"#!") {
        return Some(format!(
            "images of {image_project} have no cloud-init, so nothing runs this user data: give a script that begins \
             with #!, or --native metadata=startup-script=…"
        ));
    }
    find_user_data_problem(data, UserDataReader::CloudInit)
}

/// Formats an SSH key as `USER:KEY` for the guest agent. The user is the key's comment up to its `@`, else `cloudctl`.
/// <https://cloud.google.com/compute/docs/connect/add-ssh-keys#metadata>
///
/// # Errors
/// `InvalidSpec` for text that is not a public key; `Unsupported` for a key by name.
pub(crate) fn format_ssh_key(key: &SshKey) -> Result<String> {
    let key = match key {
        SshKey::PublicKey(key) => key.trim(),
        SshKey::Name(name) => {
            return Err(Error::unsupported(format!(
                "gcp does not store SSH keys by name, so {} cannot be used",
                quoted(name)
            ))
            .with_hint("give the file of a public key, such as --ssh-key ~/.ssh/id_ed25519.pub"));
        }
    };
    split_public_key(key)?;
    Ok(format!("{}:{key}", login_user(key)))
}

/// Returns the user that a key in OpenSSH's one-line form logs in as; `cloudctl` without a key or a comment.
pub(crate) fn login_user(key: &str) -> String {
    let comment = key.split_whitespace().nth(2).unwrap_or_default();
    let before_at = comment.split('@').next().unwrap_or_default();
    to_user_name(before_at).unwrap_or_else(|| "cloudctl".to_owned())
}

/// Makes a Linux user name of a text, if its characters allow. The guest agent does not create root.
fn to_user_name(text: &str) -> Option<String> {
    const MAX_LENGTH: usize = 32;
    let is_name_character = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_' || *c == '-';
    let lower_case = text.to_lowercase();
    let characters = lower_case.chars().filter(is_name_character);
    let from_first_letter = characters.skip_while(|c| !c.is_ascii_lowercase());
    let name: String = from_first_letter.take(MAX_LENGTH).collect();
    if name.is_empty() || name == "root" {
        None
    } else {
        Some(name)
    }
}

fn check_sizes(items: &[(&str, String)]) -> Result<()> {
    for (key, value) in items {
        let is_key_character = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if key.is_empty() || key.len() > 128 || !key.chars().all(is_key_character) {
            return Err(Error::invalid(format!("invalid metadata key {} for gcp", quoted(key)))
                .with_hint("a metadata key is at most 128 letters, digits, _ and -"));
        }
        let is_encoded = || items.iter().any(|(key, _)| *key == "user-data-encoding");
        let shown_name = match *key {
            "user-data" if is_encoded() => "user data in base64",
            "user-data" | "startup-script" => "user data",
            key => key,
        };
        check_size(ProviderKind::Gcp, shown_name, value.len(), MAX_VALUE_BYTES)?;
    }
    let total = items.iter().map(|(key, value)| key.len() + value.len()).sum();
    check_size(ProviderKind::Gcp, "metadata", total, MAX_TOTAL_BYTES)
}

/// Returns the value of `ssh-keys` for a new instance: the key that the spec names, or else the user's default key if
/// it has an effect.
///
/// # Errors
/// `Refused` for a key in the spec that OS Login would ignore; as [`format_ssh_key`].
pub(crate) async fn select_ssh_keys(client: &Client, spec: &InstanceSpec, options: &Options) -> Result<SelectedKeys> {
    if let Some(key) = &spec.ssh_key {
        let keys = format_ssh_key(key)?;
        return match uses_os_login(client, options).await {
            true => Err(os_login_refusal()),
            false => Ok(SelectedKeys::new(keys)),
        };
    }
    let Some(default_key) = &spec.default_ssh_key else {
        return Ok(SelectedKeys::default());
    };
    if options.metadata.contains_key(SSH_KEYS) {
        return Ok(SelectedKeys::default());
    }
    // A default key that is malformed is not the user's mistake.
    let Ok(keys) = format_ssh_key(&SshKey::PublicKey(default_key.clone())) else {
        return Ok(SelectedKeys::left_out(
            "your own public key is left out: it is not in OpenSSH's one-line form",
        ));
    };
    if uses_os_login(client, options).await {
        return Ok(SelectedKeys::left_out(
            "your own public key is left out: the VM uses OS Login, which knows the keys of your Google account \
             (`gcloud compute os-login ssh-keys add --key-file FILE`)",
        ));
    }
    Ok(SelectedKeys::new(keys))
}

/// The SSH keys of a new instance, or why it has none.
#[derive(Default)]
pub(crate) struct SelectedKeys {
    /// The value of the metadata key.
    pub(crate) value: Option<String>,
    pub(crate) warning: Option<&'static str>,
}

impl SelectedKeys {
    fn new(value: String) -> Self {
        Self {
            value: Some(value),
            warning: None,
        }
    }

    fn left_out(warning: &'static str) -> Self {
        Self {
            value: None,
            warning: Some(warning),
        }
    }
}

fn os_login_refusal() -> Error {
    let message = "the VM would use OS Login, which does not take the key of --ssh-key";
    Error::new(ErrorKind::Refused, message).with_hint(
        "run `gcloud compute os-login ssh-keys add --key-file FILE` and leave --ssh-key out, or turn it off for the \
         VM: --native metadata=enable-oslogin=FALSE",
    )
}

/// Says whether the instance would use OS Login: by its own metadata, or else by the project's. If this is unknown, the
/// default counts, which is off.
async fn uses_os_login(client: &Client, options: &Options) -> bool {
    match options.metadata.get(OS_LOGIN_KEY) {
        Some(value) => is_true(value),
        None => match client
            .uses_os_login
            .kept_or_look_up(&(), project_uses_os_login(client))
            .await
        {
            Ok(uses_os_login) => uses_os_login,
            Err(error) => {
                tracing::debug!(%error, "cannot tell whether the project uses OS Login");
                false
            }
        },
    }
}

/// Finds out whether the project uses OS Login, if it matters for the keys of a spec. The answer is kept for the create
/// call. A failure matters only to that call.
pub(crate) async fn look_up_os_login(client: &Client, spec: &InstanceSpec) {
    let has_key = spec.ssh_key.is_some() || spec.default_ssh_key.is_some();
    let says_itself = Options::from_spec(spec).is_ok_and(|options| options.metadata.contains_key(OS_LOGIN_KEY));
    if has_key && !says_itself {
        let look_up = project_uses_os_login(client);
        let _ = client.uses_os_login.get_or_look_up((), look_up).await;
    }
}

/// Reads the metadata that all instances of the project have.
pub(crate) async fn project_metadata(client: &Client) -> Result<Metadata> {
    let (project, projects) = (client.project().await?, client.projects().await?);
    let answer = client.read("read the project's metadata", "", || {
        with_call_options(projects.get().set_project(project)).send()
    });
    Ok(answer.await?.common_instance_metadata.unwrap_or_default())
}

async fn project_uses_os_login(client: &Client) -> Result<bool> {
    let metadata = project_metadata(client).await?;
    let is_os_login_on =
        |item: &Items| item.key.as_deref() == Some(OS_LOGIN_KEY) && item.value.as_deref().is_some_and(is_true);
    Ok(metadata.items.iter().any(is_os_login_on))
}

/// Says whether the guest reads a value as true.
/// <https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys>
pub(crate) fn is_true(value: &str) -> bool {
    ["true", "y", "yes", "1"].contains(&value.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::spec;
    use super::*;
    use crate::cloud::{ErrorKind, Secret};

    fn key_of(data: &[u8], project: &str) -> Result<String> {
        let mut spec = spec("web-1");
        spec.user_data = Some(Secret::new(data.to_vec()));
        let metadata = build_metadata(&spec, &Options::default(), project, None)?;
        Ok(metadata.unwrap().items.remove(0).key.unwrap())
    }

    #[test]
    fn user_data_goes_where_the_image_looks() {
        assert_eq!(key_of(b"#!/bin/sh", "ubuntu-os-cloud").unwrap(), "user-data");
        assert_eq!(key_of(b"#cloud-config\n", "cos-cloud").unwrap(), "user-data");
        assert_eq!(key_of(b"#!/bin/sh", "debian-cloud").unwrap(), "startup-script");
        assert_eq!(key_of(b"#!/bin/sh", "acme").unwrap(), "startup-script");
        assert_eq!(key_of(b"#cloud-config\n", "acme").unwrap(), "user-data");
        assert!(key_of(b"#cloud-config\n", "debian-cloud").is_err());
        assert!(key_of(b"#!/bin/sh", "windows-cloud").is_err());
    }

    #[test]
    fn user_data_has_limits() {
        assert_eq!(key_of(&[0xff, 0xfe], "ubuntu-os-cloud").unwrap(), "user-data");
        assert!(key_of(&[0xff, 0xfe], "debian-cloud").is_err());
        assert!(key_of(&[0x1f; 200_000], "ubuntu-os-cloud").is_ok());
        assert!(key_of(&[0xff; 200_000], "ubuntu-os-cloud").is_err());
        assert!(key_of(&vec![b'x'; MAX_VALUE_BYTES], "ubuntu-os-cloud").is_ok());
        let error = key_of(&vec![b'x'; MAX_VALUE_BYTES + 1], "ubuntu-os-cloud").unwrap_err();
        assert!(error.message().contains("user data has 262145 bytes"));
    }

    #[test]
    fn ssh_key_user_comes_from_the_comment() {
        for (key, expected) in [
            ("ssh-ed25519 AAAA ada@laptop", "ada:ssh-ed25519 AAAA ada@laptop"),
            ("ssh-ed25519 AAAA Ada.L@x\n", "adal:ssh-ed25519 AAAA Ada.L@x"),
            ("ssh-ed25519 AAAA", "cloudctl:ssh-ed25519 AAAA"),
            ("ssh-ed25519 AAAA root@x", "cloudctl:ssh-ed25519 AAAA root@x"),
            ("ssh-ed25519 AAAA 007", "cloudctl:ssh-ed25519 AAAA 007"),
        ] {
            assert_eq!(format_ssh_key(&SshKey::PublicKey(key.into())).unwrap(), expected);
        }
        let by_name = format_ssh_key(&SshKey::Name("mine".into())).unwrap_err();
        assert_eq!(by_name.kind(), ErrorKind::Unsupported);
        assert!(format_ssh_key(&SshKey::PublicKey("-----BEGIN".into())).is_err());
    }

    #[test]
    fn metadata_is_not_set_twice() {
        let mut spec = spec("web-1");
        spec.user_data = Some(Secret::new(b"#!/bin/sh".to_vec()));
        let mut options = Options::default();
        options.metadata.insert("user-data".into(), "x".into());
        assert!(build_metadata(&spec, &options, "ubuntu-os-cloud", None).is_err());
        assert!(build_metadata(&spec, &options, "debian-cloud", None).is_ok());
    }

    #[test]
    fn metadata_values_read_as_true() {
        assert!(["TRUE", "true", "Yes", "1", " y"].into_iter().all(is_true));
        assert!(!["FALSE", "", "0", "no"].into_iter().any(is_true));
    }
}
