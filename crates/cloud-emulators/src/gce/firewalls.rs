//! Firewall rules: global, and changed by global operations.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::field_rules;
use super::instances::object;
use super::operations::Target;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::{Key, State, format_time};
use super::state_changes::Event;

/// A rule that somebody made.
pub struct Firewall {
    key: Key,
    id: u64,
    created: Timestamp,
    body: Map<String, Value>,
}

impl Firewall {
    pub fn render(&self) -> Value {
        let mut body = self.body.clone();
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("kind", "compute#firewall".into());
        set("id", self.id.to_string().into());
        set("creationTimestamp", format_time(self.created).into());
        set("name", self.key.name.as_str().into());
        set("selfLink", self.key.link("firewalls").into());
        body.into()
    }
}

impl State {
    pub fn put_firewall(&mut self, project: &str, name: &str, body: Value) -> u64 {
        let (id, key) = (self.fresh_id(), Key::new(project, "", name));
        let rule = Firewall {
            key: key.clone(),
            id,
            created: self.now(),
            body: object(&body),
        };
        self.firewalls.insert(key, rule);
        id
    }

    /// An operation of a rule, done after a moment; what it does is done at once.
    fn changed_firewall(&mut self, kind: &'static str, key: &Key, id: u64, call: &Call) -> Key {
        let target = Target {
            key,
            collection: "firewalls",
            id,
        };
        let operation = self.begin(kind, &target, Some(call));
        let delay = self.controls.delays.change;
        self.schedule_after(delay, Event::End(operation.clone()));
        operation
    }
}

pub fn insert(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let state = &mut *context.state;
    let name = call.body["name"].as_str().unwrap_or_default();
    field_rules::resource_name("resource.name", name, false)?;
    let key = Key::new(call.project(), "", name);
    if state.firewalls.contains_key(&key) {
        return Err(ApiError::already_exists(&key.path("firewalls")));
    }
    let network = network(state, call)?;
    check_rules(&call.body)?;
    check_sources(&call.body["sourceRanges"])?;
    for tag in call.body["targetTags"].as_array().into_iter().flatten() {
        field_rules::resource_name("resource.targetTags", tag.as_str().unwrap_or_default(), false)?;
    }
    let mut body = object(&call.body);
    body.insert("network".to_owned(), network.into());
    for (name, value) in [
        ("priority", json!(1000)),
        ("direction", json!("INGRESS")),
        ("disabled", json!(false)),
        ("description", json!("")),
        ("logConfig", json!({"enable": false})),
    ] {
        body.entry(name).or_insert(value);
    }
    let id = state.put_firewall(call.project(), name, body.into());
    Ok(state.changed_firewall("insert", &key, id, call))
}

/// The network as the rule shows it. One that is not there is not found; another project's is refused.
fn network(state: &State, call: &Call) -> Result<String, ApiError> {
    let field = "resource.network";
    let text = call.body["network"].as_str().unwrap_or("global/networks/default");
    let (owner, name) = field_rules::referred(field, text, call.project(), "global/networks/")?;
    if owner != call.project() {
        let why = "Cross-project references for this resource type are not allowed.";
        return Err(ApiError::invalid(field, text, why));
    }
    let path = format!("projects/{owner}/global/networks/{name}");
    match state.networks.has(&name) {
        true => Ok(super::link(&path)),
        false => Err(ApiError::not_found(&path)),
    }
}

fn check_rules(body: &Value) -> Result<(), ApiError> {
    let rules = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let (allowed, denied) = (rules("allowed"), rules("denied"));
    if allowed.is_empty() == denied.is_empty() {
        let why = "Exactly one of allowed and denied must be given.";
        return Err(ApiError::invalid("resource.allowed", "", why));
    }
    for rule in allowed.iter().chain(&denied) {
        if rule["IPProtocol"].as_str().unwrap_or_default().is_empty() {
            return Err(ApiError::invalid(
                "resource.allowed[0].IPProtocol",
                "",
                "Must be given.",
            ));
        }
        for port in rule["ports"].as_array().into_iter().flatten() {
            let text = port.as_str().unwrap_or_default();
            let mut ends = text.splitn(2, '-').map(str::parse::<u16>);
            if ends.any(|end| end.is_err()) {
                return Err(ApiError::invalid(
                    "resource.allowed[0].ports[0]",
                    text,
                    "Must be a port or a range.",
                ));
            }
        }
    }
    Ok(())
}

/// Networks in CIDR form without host bits, all of one version of IP.
fn check_sources(ranges: &Value) -> Result<(), ApiError> {
    let field = "resource.sourceRanges";
    let mut versions = Vec::new();
    for range in ranges.as_array().into_iter().flatten() {
        let text = range.as_str().unwrap_or_default();
        let invalid = || ApiError::invalid(field, text, "Must be a valid CIDR address range.");
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let prefix: u32 = prefix.parse().map_err(|_| invalid())?;
        let bits = match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        if prefix > width || bits.checked_shl(prefix).unwrap_or(0) != 0 {
            return Err(invalid());
        }
        versions.push(address.is_ipv4());
    }
    if versions.contains(&true) && versions.contains(&false) {
        let why = "IPv4 and IPv6 address ranges cannot be mixed in one rule.";
        return Err(ApiError::invalid(field, "", why));
    }
    Ok(())
}

fn find<'s>(state: &'s State, call: &Call) -> Result<&'s Firewall, ApiError> {
    let key = Key::new(call.project(), "", call.parameter("firewall"));
    let found = state.firewalls.get(&key);
    found.ok_or_else(|| ApiError::not_found(&key.path("firewalls")))
}

pub fn get(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    find(context.state, call).map(Firewall::render)
}

pub fn delete(context: &mut Context, call: &Call) -> Result<Key, ApiError> {
    let rule = find(context.state, call)?;
    let (key, id) = (rule.key.clone(), rule.id);
    context.state.firewalls.remove(&key);
    Ok(context.state.changed_firewall("delete", &key, id, call))
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Firewall")?;
    let State {
        firewalls, controls, ..
    } = &mut *context.state;
    let rows = State::in_zone(firewalls, call.project(), "", "")
        .map(|(key, rule)| (String::new(), key.name.clone(), || rule.render()));
    let page = paging.fill(controls, rows);
    Ok(paging::list(call, "compute#firewallList", page))
}
