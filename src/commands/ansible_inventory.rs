//! The inventory for Ansible that `cloudctl list -o ansible` prints: the document that an inventory script gives.
//! <https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#tuning-the-external-inventory-script>

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::ssh_args::{find_own_key, local_ssh_setup};
use super::ssh_key::find_own_keys;
use crate::cloud::{Error, Gap, HostName, Instance, InstanceState, Result, host_names, is_plain_word, quote_for_shell};
use crate::command_context::Context;
use crate::operations::{KnownLogins, SSH_PORT};

/// Names that mean something to Ansible, such as this machine itself.
const RESERVED_NAMES: [&str; 4] = ["all", "ungrouped", "localhost", "127.0.0.1"];

/// An inventory, and what it lacks.
pub(super) struct AnsibleInventory {
    /// The document.
    pub(super) document: Value,
    /// Its VMs, and what each is called.
    pub(super) hosts: Vec<(Instance, HostName)>,
    /// The running VMs without an address.
    pub(super) without_address: Vec<Instance>,
    /// How many of its VMs have no known host key.
    pub(super) without_host_key: usize,
}

/// Builds the inventory of those instances that run. `gaps` are the locations that did not answer: the inventory has them as a
/// variable, so that it never looks whole.
///
/// Texts of a cloud are in it only where they are plain words: Ansible reads the values of variables as templates.
///
/// # Errors
/// As [`local_ssh_setup`] and [`KnownLogins`]; `InvalidSpec` if the path of the host keys reads as a template.
pub(super) fn build_inventory(
    mut instances: Vec<Instance>,
    gaps: &[Gap],
    context: &Context,
) -> Result<AnsibleInventory> {
    instances.retain(|instance| instance.state == InstanceState::Running);
    let (instances, without_address) = instances
        .into_iter()
        .partition::<Vec<_>, _>(|instance| address_of(instance).is_some());
    let logins = KnownLogins::read(&local_ssh_setup(context)?.known_hosts)?;
    let home = context.settings.environment.home();
    let own_keys = home.as_deref().map(find_own_keys).unwrap_or_default();
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let groups_of_hosts: Vec<_> = instances.iter().map(groups_of).collect();
    let group_names: BTreeSet<&String> = groups_of_hosts.iter().flatten().collect();
    let mut host_variables = Map::new();
    let mut hosts = Vec::new();
    let mut without_host_key = 0;
    let names = host_names(&instances);
    for ((instance, mut name), its_groups) in instances.into_iter().zip(names).zip(&groups_of_hosts) {
        let is_taken = |word: &str| RESERVED_NAMES.contains(&word) || group_names.contains(&word.to_owned());
        if name.as_str().is_some_and(is_taken) {
            name = HostName::Unsafe;
        }
        let word = name.as_str().unwrap_or(&instance.reference.id).to_owned();
        for group in its_groups {
            groups.entry(group.clone()).or_default().insert(word.clone());
        }
        let provider = context.clouds().get(instance.provider);
        let needs_host_key = provider.pretend_shell(&instance)?.is_none();
        without_host_key += usize::from(needs_host_key && !logins.has_host_key(&instance.reference));
        let variables = variables_of(&instance, &logins, &own_keys, context)?;
        host_variables.insert(word, Value::Object(variables));
        hosts.push((instance, name));
    }
    let mut document = Map::new();
    let children: Vec<&str> = ["ungrouped"]
        .into_iter()
        .chain(groups.keys().map(String::as_str))
        .collect();
    let mut all = json!({ "children": children });
    if !gaps.is_empty() {
        let locations: Vec<_> = gaps.iter().map(|gap| gap.location.to_string()).collect();
        all["vars"] = json!({ "cloudctl_unanswered": locations });
    }
    document.insert("_meta".to_owned(), json!({ "hostvars": host_variables }));
    document.insert("all".to_owned(), all);
    for (group, members) in groups {
        document.insert(group, json!({ "hosts": members }));
    }
    Ok(AnsibleInventory {
        document: Value::Object(document),
        hosts,
        without_address,
        without_host_key,
    })
}

/// The public address, or else the private one.
fn address_of(instance: &Instance) -> Option<IpAddr> {
    let address = instance.public_ip.as_ref().or(instance.private_ip.as_ref())?;
    address.parse().ok()
}

/// The groups of an instance. Each begins with a word and an underscore, as no name of cloudctl's own does.
fn groups_of(instance: &Instance) -> Vec<String> {
    let mut groups = vec![
        group_name("provider", &[instance.provider.as_str()]),
        group_name("region", &[&instance.region]),
    ];
    let labels = instance.labels.iter();
    groups.extend(labels.map(|(key, value)| match value.as_str() {
        "" => group_name("label", &[key]),
        value => group_name("label", &[key, value]),
    }));
    groups.sort();
    groups.dedup();
    groups
}

/// A name that Ansible takes for a group: letters, digits and underscores.
/// <https://docs.ansible.com/ansible/latest/reference_appendices/config.html#transform-invalid-group-chars>
fn group_name(kind: &str, parts: &[&str]) -> String {
    let mut name = kind.to_owned();
    for part in parts {
        let valid = |character: char| match character.is_ascii_alphanumeric() {
            true => character,
            false => '_',
        };
        name.push('_');
        name.extend(part.chars().map(valid));
    }
    name
}

/// The variables of a host, with how to log in as far as this machine knows it without asking.
/// <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ssh_connection.html>
fn variables_of(
    instance: &Instance,
    logins: &KnownLogins,
    own_keys: &[(PathBuf, String)],
    context: &Context,
) -> Result<Map<String, Value>> {
    let reference = &instance.reference;
    let options = logins.host_key_options(reference)?;
    let arguments: Vec<_> = options
        .iter()
        .map(|option| format!("-o {}", quote_for_shell(option)))
        .collect();
    let arguments = arguments.join(" ");
    if is_template(&arguments) {
        let message = "Ansible would change the path of the host keys: it reads {{, {% and {# as templates";
        return Err(Error::invalid(message).with_hint("set XDG_STATE_HOME to another folder"));
    }
    let mut variables = Map::new();
    let mut set = |name: &str, value: Value| variables.insert(name.to_owned(), value);
    set("ansible_host", json!(address_of(instance)));
    set("ansible_port", json!(SSH_PORT));
    set("ansible_ssh_common_args", json!(arguments));
    // Ansible shares connections by address, and two VMs can have the same private address. ssh replaces the user and the port.
    let id = &reference.id;
    set("ansible_control_path", json!(format!("%(directory)s/{id}-%%r-%%p")));
    // A configuration of Ansible that turns the check off would come before these arguments.
    set("ansible_host_key_checking", json!(true));
    let own_key = find_own_key(own_keys, instance, context);
    let key_file = own_key.and_then(|(path, _)| path.to_str());
    if let Some(path) = key_file.filter(|path| !is_template(path)) {
        set("ansible_ssh_private_key_file", json!(path));
    }
    let cloud = context.info(instance.provider);
    let key_user = || (cloud.key_user)(Some(&own_key?.1));
    let user = logins.user(reference).map(str::to_owned).or_else(key_user);
    let texts = [
        ("ansible_user", user.as_deref()),
        ("cloudctl_id", Some(reference.id.as_str())),
        ("cloudctl_machine_type", instance.machine_type.as_deref()),
        ("cloudctl_name", instance.name.as_deref()),
        ("cloudctl_region", Some(instance.region.as_str())),
        ("cloudctl_zone", instance.zone.as_deref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text.filter(|text| is_plain_word(text)) {
            set(name, json!(text));
        }
    }
    Ok(variables)
}

/// Whether Ansible reads a text as a template.
fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    #[test]
    fn group_has_only_letters_digits_and_underscores() {
        let mut instance = Instance::with_id_only(ProviderKind::Mock, "eu-west-1".to_owned(), "m-1".to_owned());
        instance.labels.insert("team".to_owned(), "b{{ 1 }}ü".to_owned());
        instance.labels.insert("env".to_owned(), String::new());
        let groups = ["label_env", "label_team_b___1____", "provider_mock", "region_eu_west_1"];
        assert_eq!(groups_of(&instance), groups);
    }
}
