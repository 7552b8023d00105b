//! Guest attributes: what the guest of a VM publishes about itself, its SSH host keys among that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Emulator;
use super::dispatch::Context;
use super::errors::ApiError;
use super::instance_record::Instance;
use super::instances::find_visible;
use super::routing::Call;
use super::state::{Key, State};
use super::zones;

/// Values by namespace and key.
pub type GuestAttributes = BTreeMap<(String, String), String>;

const SWITCH: &str = "enable-guest-attributes";
const HOST_KEYS: &str = "hostkeys";

/// What a client gets for a VM whose guest attributes are off. Google documents neither; gcloud is ready for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuestAttributesOff {
    /// A 404, the same as for a VM that has published nothing.
    #[default]
    NotFound,
    /// A 403, as a guest gets from its metadata server.
    Forbidden,
}

impl State {
    /// Whether a VM's metadata switches guest attributes on. Its own word counts before the project's.
    fn has_guest_attributes(&self, instance: &Instance) -> bool {
        let body = instance.body();
        let items = body
            .get("metadata")
            .and_then(|metadata| metadata["items"].as_array().cloned());
        let own = items.into_iter().flatten().find(|item| item["key"] == SWITCH);
        let own = own.and_then(|item| item["value"].as_str().map(str::to_owned));
        let common = self.common_metadata.get(&instance.key.project);
        let word = own.or_else(|| common.and_then(|common| common.get(SWITCH).cloned()));
        word.is_some_and(|word| word.eq_ignore_ascii_case("true"))
    }

    /// The guest publishes its host keys, in place of those before. Where it may not, nothing happens.
    pub fn publish_host_keys(&mut self, key: &Key, host_keys: &[String]) {
        let may = self
            .instances
            .get(key)
            .is_some_and(|instance| self.has_guest_attributes(instance));
        if !may || self.controls.guest_attributes_denied {
            return;
        }
        if let Some(instance) = self.instances.get_mut(key) {
            let attributes = &mut instance.guest_attributes;
            attributes.retain(|(namespace, _), _| namespace != HOST_KEYS);
            for host_key in host_keys {
                let mut words = host_key.split_whitespace().map(str::to_owned);
                if let Some((algorithm, value)) = words.next().zip(words.next()) {
                    attributes.insert((HOST_KEYS.to_owned(), algorithm), value);
                }
            }
        }
    }
}

/// A path is empty for everything, `NAMESPACE/` or `NAMESPACE` for one namespace, or `NAMESPACE/KEY`.
fn is_on_path(path: &str, namespace: &str, key: &str) -> bool {
    match path.split_once('/') {
        Some((wanted, rest)) => wanted == namespace && (rest.is_empty() || rest == key),
        None => path.is_empty() || path == namespace,
    }
}

pub fn get(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let state = &*context.state;
    let instance = find_visible(state, call)?;
    let path = call.query.get("queryPath").unwrap_or_default();
    let variable = call.query.get("variableKey");
    if state.controls.guest_attributes_denied {
        let number = zones::project_number(call.project());
        let why = format!("Constraint constraints/compute.disableGuestAttributesAccess violated for project {number}.");
        return Err(ApiError::condition_not_met(&why));
    }
    let not_found = |what: &str| {
        let message = format!("The resource '{what}' of type 'Guest Attribute' was not found.");
        ApiError::new(404, "notFound", message)
    };
    if !state.has_guest_attributes(instance) {
        return Err(match state.controls.guest_attributes_off {
            GuestAttributesOff::NotFound => not_found(variable.unwrap_or(path)),
            GuestAttributesOff::Forbidden => {
                ApiError::new(403, "forbidden", "Guest attributes endpoint access is disabled.")
            }
        });
    }
    let attributes = instance.guest_attributes.iter();
    let found: Vec<(&str, &str, &str)> = attributes
        .map(|((namespace, key), value)| (namespace.as_str(), key.as_str(), value.as_str()))
        .filter(|(namespace, key, _)| is_on_path(path, namespace, key))
        .collect();
    let asked = if path.is_empty() { "" } else { "/" };
    let mut answer = json!({
        "kind": "compute#guestAttributes",
        "selfLink": format!("{}/guestAttributes{asked}{path}", instance.key.link("instances")),
    });
    if let Some(variable) = variable {
        let one = found
            .iter()
            .find(|(namespace, key, _)| *key == variable || format!("{namespace}/{key}") == variable);
        let (_, _, value) = one.ok_or_else(|| not_found(variable))?;
        answer["variableKey"] = variable.into();
        answer["variableValue"] = (*value).into();
        if path.is_empty() {
            return Ok(answer);
        }
    }
    if found.is_empty() {
        return Err(not_found(path));
    }
    let items = found
        .iter()
        .map(|(namespace, key, value)| json!({"namespace": namespace, "key": key, "value": value}));
    answer["queryPath"] = path.into();
    answer["queryValue"] = json!({"items": items.collect::<Vec<Value>>()});
    Ok(answer)
}

/// Guest attributes.
impl Emulator {
    /// The guests of every VM of this name publish these SSH host keys, in place of those before, as Google's guest agent does.
    /// A key is a public line, `ssh-ed25519 AAAA…`. A VM whose guest attributes are off lets its guest publish nothing.
    pub fn publish_host_keys(&self, name: &str, keys: &[&str]) {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let mut state = self.state();
        for key in state.keys_named(name) {
            state.publish_host_keys(&key, &keys);
        }
    }

    /// A guest publishes a value of its own.
    pub fn publish_guest_attribute(&self, name: &str, namespace: &str, key: &str, value: &str) {
        let mut state = self.state();
        for vm in state.keys_named(name) {
            if let Some(instance) = state.instances.get_mut(&vm) {
                let place = (namespace.to_owned(), key.to_owned());
                instance.guest_attributes.insert(place, value.to_owned());
            }
        }
    }

    /// Sets what a client gets for a VM whose guest attributes are off.
    pub fn set_guest_attributes_off(&self, answer: GuestAttributesOff) {
        self.state().controls.guest_attributes_off = answer;
    }

    /// The organisation's policy denies all guest attributes, to guests and clients, with
    /// `constraints/compute.disableGuestAttributesAccess`: a 412.
    pub fn set_guest_attributes_denied(&self, denied: bool) {
        self.state().controls.guest_attributes_denied = denied;
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_requests::{ask, insert, metadata};
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    const VALUE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

    fn attributes(emulator: &Emulator, query: &str) -> (u16, Value) {
        let path = format!("zones/us-east1-b/instances/web-1/getGuestAttributes?{query}");
        ask(emulator, "GET", &path, &Value::Null)
    }

    fn with_attributes_on() -> Emulator {
        let emulator = Emulator::start();
        insert(&emulator, "web-1", &metadata(SWITCH, "TRUE"));
        emulator
    }

    #[test]
    fn host_keys_are_read_as_google_shows_them() {
        let emulator = with_attributes_on();
        emulator.publish_host_keys("web-1", &[&format!("{KEY} root@web-1"), "ssh-rsa AAAAB3NzaC1yc2E="]);
        let (status, answer) = attributes(&emulator, "queryPath=hostkeys/");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["kind"], "compute#guestAttributes");
        assert_eq!(answer["queryPath"], "hostkeys/");
        let items = json!([
            {"namespace": "hostkeys", "key": "ssh-ed25519", "value": VALUE},
            {"namespace": "hostkeys", "key": "ssh-rsa", "value": "AAAAB3NzaC1yc2E="},
        ]);
        assert_eq!(answer["queryValue"]["items"], items);
        assert!(
            answer["selfLink"]
                .as_str()
                .is_some_and(|link| link.contains("/instances/web-1/"))
        );
    }

    #[test]
    fn query_path_and_key_choose_attributes() {
        let emulator = with_attributes_on();
        emulator.publish_host_keys("web-1", &[KEY]);
        emulator.publish_guest_attribute("web-1", "app", "state", "ready");
        let count = |query: &str| {
            attributes(&emulator, query).1["queryValue"]["items"]
                .as_array()
                .map(Vec::len)
        };
        assert_eq!(count(""), Some(2));
        assert_eq!(count("queryPath=app"), Some(1));
        assert_eq!(count("queryPath=hostkeys%2Fssh-ed25519"), Some(1));
        assert_eq!(count("queryPath=host"), None);
        let (_, answer) = attributes(&emulator, "variableKey=app/state");
        assert_eq!(
            (&answer["variableKey"], &answer["variableValue"]),
            (&json!("app/state"), &json!("ready"))
        );
        assert_eq!(answer["queryValue"], Value::Null);
        assert_eq!(attributes(&emulator, "queryPath=app/&variableKey=none").0, 404);
    }

    #[test]
    fn host_keys_before_any_are_not_found() {
        let emulator = with_attributes_on();
        let (status, answer) = attributes(&emulator, "queryPath=hostkeys/");
        let words = "The resource 'hostkeys/' of type 'Guest Attribute' was not found.";
        assert_eq!((status, &answer["error"]["message"]), (404, &json!(words)));
        assert_eq!(answer["error"]["errors"][0]["reason"], "notFound");
    }

    #[test]
    fn guest_attributes_that_are_off_hold_nothing() {
        let emulator = Emulator::start();
        insert(&emulator, "web-1", &Value::Null);
        emulator.publish_host_keys("web-1", &[KEY]);
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 404);
        emulator.set_guest_attributes_off(GuestAttributesOff::Forbidden);
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 403);
        // The project's metadata switches them on, and the guest may publish from then on.
        emulator.set_common_metadata(SWITCH, "true");
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 404);
        emulator.publish_host_keys("web-1", &[KEY]);
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 200);
    }

    #[test]
    fn vm_switches_attributes_off_against_its_project() {
        let emulator = Emulator::start();
        emulator.set_common_metadata(SWITCH, "TRUE");
        insert(&emulator, "web-1", &metadata(SWITCH, "FALSE"));
        emulator.publish_host_keys("web-1", &[KEY]);
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 404);
    }

    #[test]
    fn policy_and_permission_refuse_guest_attributes() {
        let emulator = with_attributes_on();
        emulator.publish_host_keys("web-1", &[KEY]);
        emulator.set_guest_attributes_denied(true);
        let (status, answer) = attributes(&emulator, "queryPath=hostkeys/");
        assert_eq!(status, 412);
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("disableGuestAttributesAccess"))
        );
        emulator.set_guest_attributes_denied(false);
        emulator.deny("compute.instances.getGuestAttributes");
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 403);
    }

    #[test]
    fn replaced_vm_has_none_of_the_old_ones_keys() {
        let emulator = with_attributes_on();
        emulator.publish_host_keys("web-1", &[KEY]);
        emulator.replace_before_change("web-1");
        let path = "zones/us-east1-b/instances/web-1/reset";
        assert_eq!(ask(&emulator, "POST", path, &Value::Null).0, 200);
        assert_eq!(attributes(&emulator, "queryPath=hostkeys/").0, 404);
    }
}
