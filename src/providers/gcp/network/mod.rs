//! Networks: the network of an instance, and the firewall rules that open its ports.
//!
//! EC2 differs: an instance is in a subnet, which implies the network. Ports are opened by security groups, which
//! belong to instances and refuse their deletion while in use. Here a firewall rule applies to all instances with a
//! network tag, so instances must be counted before a rule is deleted.

pub(super) mod firewall_rule;
pub(super) mod open_ports;

use google_cloud_compute_v1::model::access_config::{NetworkTier as ApiNetworkTier, Type as AccessType};
use google_cloud_compute_v1::model::{AccessConfig, Network, NetworkInterface};

use super::api::client::{Client, NO_ZONE, with_call_options};
use super::api::pagination::collect_complete_list;
use super::api::resource_name::last_segment;
use super::labels::is_resource_name;
use super::native_options::{NetworkTier, Options};
use crate::cloud::{Error, ErrorKind, InstanceSpec, Result, quoted};

/// Builds the network interface of a new instance. Without a network and a subnet it is in the default network.
pub(super) fn build_interface(spec: &InstanceSpec, options: &Options) -> Result<NetworkInterface> {
    let region = &spec.location.region;
    let network_path = resolve_path("network", spec.network.as_deref(), |name| {
        format!("global/networks/{name}")
    })?;
    let subnet_path = resolve_path("subnet", spec.subnet.as_deref(), |name| {
        format!("regions/{region}/subnetworks/{name}")
    })?;
    let network_path = match (network_path, &subnet_path) {
        (Some(path), _) => Some(path),
        // A subnet implies its network.
        (None, Some(_)) => None,
        (None, None) => Some("global/networks/default".to_owned()),
    };
    let network_tier = match options.network_tier {
        Some(NetworkTier::Premium) => Some(ApiNetworkTier::Premium),
        Some(NetworkTier::Standard) => Some(ApiNetworkTier::Standard),
        None => None,
    };
    let mut interface = NetworkInterface::new()
        .set_or_clear_network(network_path)
        .set_or_clear_subnetwork(subnet_path);
    if spec.public_ip {
        let public_address = AccessConfig::new()
            .set_name("External NAT")
            .set_type(AccessType::OneToOneNat)
            .set_or_clear_network_tier(network_tier);
        interface = interface.set_access_configs([public_address]);
    }
    Ok(interface)
}

/// Returns the path that a spec means by the name or path of a network or subnet; `kind` says which, in messages. A path
/// or URL, such as that of a shared VPC, stays as it is.
fn resolve_path(kind: &str, requested: Option<&str>, path_of: impl Fn(&str) -> String) -> Result<Option<String>> {
    let Some(requested) = requested else { return Ok(None) };
    if is_resource_name(requested) {
        return Ok(Some(path_of(requested)));
    }
    let starts_like_path = ["projects/", "global/", "regions/", "https://"]
        .iter()
        .any(|start| requested.starts_with(start));
    let is_path_character = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if starts_like_path && requested.chars().all(is_path_character) {
        return Ok(Some(requested.to_owned()));
    }
    Err(Error::invalid(format!("invalid {kind} {} for gcp", quoted(requested)))
        .with_hint(format!("give the {kind}'s name, or its path beginning with projects/")))
}

/// Finds the name of the network of a new instance, to change the network's firewall.
///
/// # Errors
/// `Unsupported` if the network is in another project (a shared VPC), whose firewall belongs to that project;
/// `InvalidSpec` if no network has the subnet.
pub(super) async fn find_own_network(client: &Client, spec: &InstanceSpec) -> Result<String> {
    let interface = build_interface(spec, &Options::default())?;
    let path = interface.network.or(interface.subnetwork).unwrap_or_default();
    let (owner, rest) = split_project(&path);
    if let Some(owner) = owner
        && owner != client.project().await?
    {
        return Err(Error::unsupported(format!(
            "the network {} is of the project {owner}, whose firewall cloudctl does not change to open ports",
            quoted(&path)
        ))
        .with_hint(format!(
            "ask for a firewall rule in that project (`gcloud compute firewall-rules create --project {owner}`), and leave --open out"
        )));
    }
    if let Some(name) = rest.strip_prefix("global/networks/") {
        return Ok(name.to_owned());
    }
    let networks = client.own_networks.get_or_look_up((), list_networks(client)).await?;
    let has_subnet = |network: &Network| network.subnetworks.iter().any(|subnet| split_project(subnet).1 == rest);
    let network = networks.into_iter().find(has_subnet);
    network.and_then(|network| network.name).ok_or_else(|| {
        let subnet = quoted(last_segment(rest));
        Error::invalid(format!("no network of the project has the subnet {subnet}"))
    })
}

/// Returns all names that mean a network or subnet, given its URL. A name alone means the own project.
pub(super) fn path_aliases(url: &str, own_project: &str) -> Vec<String> {
    let (owner, rest) = split_project(url);
    let path = format!("projects/{}/{rest}", owner.unwrap_or(own_project));
    let url = url.to_owned();
    if owner.is_some_and(|owner| owner != own_project) {
        return vec![path, url];
    }
    vec![last_segment(rest).to_owned(), rest.to_owned(), path, url]
}

/// Splits a path into its project, if it has one, and the rest.
fn split_project(path: &str) -> (Option<&str>, &str) {
    let path = path.split_once("/compute/v1/").map_or(path, |(_, path)| path);
    match path.strip_prefix("projects/").and_then(|path| path.split_once('/')) {
        Some((project, rest)) => (Some(project), rest),
        None => (None, path),
    }
}

async fn list_networks(client: &Client) -> Result<Vec<Network>> {
    let (project, networks) = (client.project().await?, client.networks().await?);
    let fetch = |token: Option<String>| {
        client.read("list the networks", NO_ZONE, move || {
            let call = networks.list().set_project(project).set_max_results(500_u32);
            with_call_options(call.set_or_clear_page_token(token.clone())).send()
        })
    };
    collect_complete_list(fetch, NO_ZONE).await
}

/// Says whether the project has no default network; `None` if this is unknown.
pub(super) async fn default_is_missing(client: &Client) -> Option<bool> {
    let (project, networks) = (client.project().await.ok()?, client.networks().await.ok()?);
    let answer = client.read("look up the default network", NO_ZONE, || {
        with_call_options(networks.get().set_project(project).set_network("default")).send()
    });
    match answer.await {
        Ok(_) => Some(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(true),
        Err(_) => None,
    }
}

/// Makes the error of a call that was refused because the project has no default network.
pub(super) fn no_default_network_error(error: Error) -> Error {
    error.with_kind(ErrorKind::Refused).with_hint(
        "the project seems to have no default network: name one with --network or --subnet, or run `gcloud compute \
         networks create default`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::create::request::tests::spec;
    use super::*;

    #[test]
    fn network_is_a_name_or_a_path() {
        let options = Options::default();
        let plain = build_interface(&spec("web-1"), &options).unwrap();
        assert_eq!(plain.network.as_deref(), Some("global/networks/default"));
        assert_eq!(plain.access_configs.len(), 1);
        let mut own = spec("web-1");
        own.subnet = Some("inner".into());
        own.public_ip = false;
        let made = build_interface(&own, &options).unwrap();
        assert_eq!(
            made.subnetwork.as_deref(),
            Some("regions/us-central1/subnetworks/inner")
        );
        assert_eq!((made.network, made.access_configs.len()), (None, 0));
        own.subnet = Some("projects/host/regions/us-central1/subnetworks/shared".into());
        assert_eq!(build_interface(&own, &options).unwrap().subnetwork, own.subnet);
        own.network = Some("vpc 1".into());
        let error = build_interface(&own, &options).unwrap_err();
        assert!(error.message().contains("vpc 1"));
    }

    #[test]
    fn path_is_split_into_project_and_rest() {
        for (path, expected) in [
            ("global/networks/n", (None, "global/networks/n")),
            ("projects/p/global/networks/n", (Some("p"), "global/networks/n")),
            (
                "https://www.googleapis.com/compute/v1/projects/p/regions/r/subnetworks/s",
                (Some("p"), "regions/r/subnetworks/s"),
            ),
        ] {
            assert_eq!(split_project(path), expected, "{path}");
        }
    }
}
