//! Networks and subnetworks: the default network with a subnetwork in every region, and what tests add.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dispatch::Context;
use super::errors::ApiError;
use super::field_rules;
use super::fingerprints;
use super::paging::{self, Paging};
use super::routing::Call;
use super::state::{Key, State, mix_bits};
use super::zones;

/// Networks by name; every project has the same.
pub struct Networks {
    networks: BTreeMap<String, Network>,
    /// Addresses given to VMs so far.
    given: std::cell::Cell<u32>,
}

struct Network {
    /// With a subnetwork of the same name in every region.
    auto: bool,
    /// Region and name of each subnetwork that was added.
    subnetworks: Vec<(String, String)>,
}

impl Default for Networks {
    fn default() -> Self {
        let default = Network {
            auto: true,
            subnetworks: Vec::new(),
        };
        Self {
            networks: BTreeMap::from([("default".to_owned(), default)]),
            given: std::cell::Cell::new(1),
        }
    }
}

impl Networks {
    pub fn remove(&mut self, name: &str) {
        self.networks.remove(name);
    }

    pub fn has(&self, name: &str) -> bool {
        self.networks.contains_key(name)
    }

    /// A network in custom mode; its subnetworks are region and name.
    pub fn add(&mut self, name: &str, subnetworks: &[(&str, &str)]) {
        let subnetworks = subnetworks
            .iter()
            .map(|(region, name)| ((*region).to_owned(), (*name).to_owned()));
        let network = Network {
            auto: false,
            subnetworks: subnetworks.collect(),
        };
        self.networks.insert(name.to_owned(), network);
    }

    /// The subnetworks of a region, each with the network it belongs to.
    fn in_region(&self, region: &str) -> impl Iterator<Item = (&str, &str)> {
        self.networks.iter().flat_map(move |(network, found)| {
            let own = found.subnetworks.iter().filter(move |(place, _)| place == region);
            let auto = found.auto.then_some((network.as_str(), network.as_str()));
            own.map(move |(_, name)| (name.as_str(), network.as_str())).chain(auto)
        })
    }

    /// Checks the interfaces of a new VM and gives them addresses.
    pub fn attach(&self, instance: &Key, asked: &Value) -> Result<Value, ApiError> {
        let asked = asked.as_array().cloned().unwrap_or_default();
        if asked.is_empty() {
            let why = "At least one network interface is required.";
            return Err(ApiError::invalid("resource.networkInterfaces", "", why));
        }
        let interfaces = asked.iter().enumerate();
        interfaces
            .map(|(index, interface)| self.interface(instance, index, interface))
            .collect()
    }

    fn interface(&self, instance: &Key, index: usize, asked: &Value) -> Result<Value, ApiError> {
        let field = |name: &str| format!("resource.networkInterfaces[{index}].{name}");
        let region = zones::region_of(&instance.zone);
        // A shared network is another project's.
        let (owner, network, subnetwork) = match asked["subnetwork"].as_str() {
            Some(text) => {
                let form = format!("regions/{region}/subnetworks/");
                let (owner, name) = field_rules::referred(&field("subnetwork"), text, &instance.project, &form)?;
                let found = self.in_region(region).find(|(known, _)| *known == name);
                let (_, network) = found.ok_or_else(|| {
                    let why = "The referenced subnetwork resource cannot be found.";
                    ApiError::invalid(&field("subnetwork"), text, why)
                })?;
                (owner, network.to_owned(), name)
            }
            None => {
                let text = asked["network"].as_str().unwrap_or("global/networks/default");
                let form = "global/networks/";
                let (owner, name) = field_rules::referred(&field("network"), text, &instance.project, form)?;
                let shown = super::link(&format!("projects/{owner}/{form}{name}"));
                let found = self.networks.get(&name).ok_or_else(|| {
                    let why = "The referenced network resource cannot be found.";
                    ApiError::invalid(&field("network"), &shown, why)
                })?;
                if !found.auto {
                    let why =
                        "Network interface must specify a subnet if the network resource is in custom subnet mode.";
                    return Err(ApiError::invalid(&field("subnetwork"), "", why));
                }
                (owner, name.clone(), name)
            }
        };
        let given = self.given.get();
        self.given.set(given + 1);
        let address = format!("10.128.{}.{}", given / 250 % 250, given % 250 + 2);
        let path = |rest: String| super::link(&format!("projects/{owner}/{rest}"));
        let mut body = json!({
            "kind": "compute#networkInterface",
            "name": format!("nic{index}"),
            "network": path(format!("global/networks/{network}")),
            "subnetwork": path(format!("regions/{region}/subnetworks/{subnetwork}")),
            "networkIP": asked["networkIP"].as_str().unwrap_or(&address),
            "fingerprint": fingerprints::fingerprint(&json!([instance.name, index, given])),
            "stackType": asked["stackType"].as_str().unwrap_or("IPV4_ONLY"),
        });
        if let Some(nic_type) = asked["nicType"].as_str() {
            body["nicType"] = nic_type.into();
        }
        let configs = asked["accessConfigs"].as_array().cloned().unwrap_or_default();
        if configs.len() > 1 {
            let why = "At most one access config currently supported.";
            return Err(ApiError::invalid(&field("accessConfigs"), "", why));
        }
        if let Some(config) = configs.first() {
            let mut shown = json!({
                "kind": "compute#accessConfig",
                "type": "ONE_TO_ONE_NAT",
                "name": config["name"].as_str().unwrap_or("external-nat"),
                "networkTier": config["networkTier"].as_str().unwrap_or("PREMIUM"),
            });
            if let Some(address) = config["natIP"].as_str() {
                shown["natIP"] = address.into();
            }
            body["accessConfigs"] = json!([shown]);
        }
        Ok(body)
    }
}

fn network_body(project: &str, name: &str, network: &Network) -> Value {
    let link = super::link(&format!("projects/{project}/global/networks/{name}"));
    let subnetwork =
        |region: &str, name: &str| super::link(&format!("projects/{project}/regions/{region}/subnetworks/{name}"));
    let own = network
        .subnetworks
        .iter()
        .map(|(region, name)| subnetwork(region, name));
    let auto = zones::regions()
        .filter(|_| network.auto)
        .map(|region| subnetwork(region, name));
    let subnetworks: Vec<String> = own.chain(auto).collect();
    json!({
        "kind": "compute#network",
        "id": id_of(name).to_string(),
        "creationTimestamp": "2024-02-01T08:00:00.000-08:00",
        "name": name,
        "autoCreateSubnetworks": network.auto,
        "subnetworks": subnetworks,
        "routingConfig": {"routingMode": "REGIONAL"},
        "mtu": 1460,
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        "selfLink": link,
        "selfLinkWithId": super::link(&format!("projects/{project}/global/networks/{}", id_of(name))),
    })
}

fn subnetwork_body(project: &str, region: &str, name: &str, network: &str) -> Value {
    let block = zones::regions().position(|known| known == region).unwrap_or(0) * 16;
    json!({
        "kind": "compute#subnetwork",
        "id": id_of(&format!("{region}/{name}")).to_string(),
        "creationTimestamp": "2024-02-01T08:00:00.000-08:00",
        "name": name,
        "network": super::link(&format!("projects/{project}/global/networks/{network}")),
        "region": super::link(&format!("projects/{project}/regions/{region}")),
        "ipCidrRange": format!("10.128.{block}.0/20"),
        "gatewayAddress": format!("10.128.{block}.1"),
        "privateIpGoogleAccess": false,
        "purpose": "PRIVATE",
        "stackType": "IPV4_ONLY",
        "fingerprint": "42WmSpB8rSM=",
        "selfLink": super::link(&format!("projects/{project}/regions/{region}/subnetworks/{name}")),
    })
}

fn id_of(name: &str) -> u64 {
    name.bytes().fold(5, |seed, byte| mix_bits(seed ^ u64::from(byte))) >> 2
}

pub fn get(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let name = call.parameter("network");
    let network = context.state.networks.networks.get(name);
    let network = network.ok_or_else(|| ApiError::not_found(&call.resource()))?;
    Ok(network_body(call.project(), name, network))
}

pub fn list(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Network")?;
    let State { networks, controls, .. } = &mut *context.state;
    let rows = networks.networks.iter().map(|(name, network)| {
        (String::new(), name.clone(), || {
            network_body(call.project(), name, network)
        })
    });
    let page = paging.fill(controls, rows);
    Ok(paging::list(call, "compute#networkList", page))
}

pub fn get_subnetwork(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let region = call.parameter("region");
    let mut known = context.state.networks.in_region(region);
    let found = known.find(|(name, _)| *name == call.parameter("subnetwork"));
    let (name, network) = found.ok_or_else(|| ApiError::not_found(&call.resource()))?;
    Ok(subnetwork_body(call.project(), region, name, network))
}

pub fn list_subnetworks(context: &mut Context, call: &Call) -> Result<Value, ApiError> {
    let paging = Paging::of(call, context, "Subnetwork")?;
    let region = call.parameter("region");
    let State { networks, controls, .. } = &mut *context.state;
    let mut found: Vec<(&str, &str)> = networks.in_region(region).collect();
    found.sort_unstable();
    let rows = found.into_iter().map(|(name, network)| {
        (String::new(), name.to_owned(), move || {
            subnetwork_body(call.project(), region, name, network)
        })
    });
    let page = paging.fill(controls, rows);
    Ok(paging::list(call, "compute#subnetworkList", page))
}
