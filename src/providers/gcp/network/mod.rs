//! Networks: the network of an instance, and the firewall rules that open its ports.
//!
//! EC2 differs: an instance is in a subnet, which implies the network. Ports are opened by security groups, which
//! belong to instances and refuse their deletion while in use. Here a firewall rule applies to all instances with a
//! network tag, so instances must be counted before a rule is deleted.

pub(super) mod firewall_rule;
pub(super) mod open_ports;

use google_cloud_compute_v1::model::access_config::{NetworkTier as ApiNetworkTier, Type as AccessType};
use google_cloud_compute_v1::model::{AccessConfig, Network, NetworkInterface, NetworkList};

use super::api::client::{Client, with_call_options};
use super::api::pagination::{Page, collect_all};
use super::api::resource_name::last_segment;
use super::labels::is_resource_name;
use super::native_options::{NetworkTier, Options};
use crate::cloud::{Error, ErrorKind, InstanceSpec, Result, quoted};

/// Builds the network interface of a new instance.
///
/// # Errors
/// `InvalidSpec` for text that is neither a name nor a path.
pub(super) fn network_interface(spec: &InstanceSpec, options: &Options) -> Result<NetworkInterface> {
    let region = &spec.location.region;
    let network = resolve_path("network", spec.network.as_deref(), |name| {
        format!("global/networks/{name}")
    })?;
    let subnet = resolve_path("subnet", spec.subnet.as_deref(), |name| {
        format!("regions/{region}/subnetworks/{name}")
    })?;
    // A subnet implies its network.
    let network = network.or_else(|| subnet.is_none().then(|| "global/networks/default".to_owned()));
    let access = AccessConfig::new()
        .set_name("External NAT")
        .set_type(AccessType::OneToOneNat)
        .set_or_clear_network_tier(options.network_tier.map(|tier| match tier {
            NetworkTier::Premium => ApiNetworkTier::Premium,
            NetworkTier::Standard => ApiNetworkTier::Standard,
        }));
    Ok(NetworkInterface::new()
        .set_or_clear_network(network)
        .set_or_clear_subnetwork(subnet)
        .set_access_configs(spec.public_ip.then_some(access)))
}

/// Makes a path of a name. A path or URL, such as that of a shared VPC, stays as it is.
fn resolve_path(what: &str, given: Option<&str>, of_name: impl Fn(&str) -> String) -> Result<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    if is_resource_name(given) {
        return Ok(Some(of_name(given)));
    }
    let is_path = ["projects/", "global/", "regions/", "https://"]
        .iter()
        .any(|start| given.starts_with(start));
    let clean = given.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c));
    if is_path && clean {
        return Ok(Some(given.to_owned()));
    }
    Err(Error::invalid(format!("invalid {what} {} for gcp", quoted(given)))
        .with_hint(format!("give the {what}'s name, or its path beginning with projects/")))
}

/// Finds the name of the network of a new instance, to change the network's firewall.
///
/// # Errors
/// `Unsupported` if the network is in another project (a shared VPC), whose firewall belongs to that project;
/// `InvalidSpec` if no network has the subnet.
pub(super) async fn find_own_network(client: &Client, spec: &InstanceSpec) -> Result<String> {
    let interface = network_interface(spec, &Options::default())?;
    let path = interface.network.or(interface.subnetwork).unwrap_or_default();
    let (owner, rest) = split_project(&path);
    let project = client.project().await?;
    if let Some(owner) = owner.filter(|owner| *owner != project) {
        return Err(Error::unsupported(format!(
            "the network {} is of the project {owner}, whose firewall cloudctl does not change to open ports",
            quoted(&path)
        ))
        .with_hint(format!(
            "have a rule of its own made there (`gcloud compute firewall-rules create --project {owner}`), and leave \
             --open out"
        )));
    }
    if let Some(name) = rest.strip_prefix("global/networks/") {
        return Ok(name.to_owned());
    }
    let networks = list_networks(client).await?;
    let having = networks.into_iter().find(|network| {
        let mut subnets = network.subnetworks.iter();
        subnets.any(|subnet| split_project(subnet).1 == rest)
    });
    having.and_then(|network| network.name).ok_or_else(|| {
        Error::invalid(format!(
            "no network of the project has the subnet {}",
            quoted(last_segment(rest))
        ))
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
    let of_project = path.strip_prefix("projects/").and_then(|rest| rest.split_once('/'));
    of_project.map_or((None, path), |(project, rest)| (Some(project), rest))
}

async fn list_networks(client: &Client) -> Result<Vec<Network>> {
    let (project, networks) = (client.project().await?, client.networks().await?);
    let fetch = |token: Option<String>| {
        client.read("list the networks", "", move || {
            let call = networks.list().set_project(project).set_max_results(500_u32);
            with_call_options(call.set_or_clear_page_token(token.clone())).send()
        })
    };
    collect_all(fetch, |all: &mut Vec<Network>, page: NetworkList| {
        let next = Page::of_complete_list(&page, "")?;
        all.extend(page.items);
        Ok(next)
    })
    .await
}

/// Says whether the project has no default network; `None` if this is unknown.
pub(super) async fn default_is_missing(client: &Client) -> Option<bool> {
    let (project, networks) = (client.project().await.ok()?, client.networks().await.ok()?);
    let answer = client.read("look up the default network", "", || {
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
        let plain = network_interface(&spec("web-1"), &options).unwrap();
        assert_eq!(plain.network.as_deref(), Some("global/networks/default"));
        assert_eq!(plain.access_configs.len(), 1);
        let mut own = spec("web-1");
        own.subnet = Some("inner".into());
        own.public_ip = false;
        let made = network_interface(&own, &options).unwrap();
        assert_eq!(
            made.subnetwork.as_deref(),
            Some("regions/us-central1/subnetworks/inner")
        );
        assert_eq!((made.network, made.access_configs.len()), (None, 0));
        own.subnet = Some("projects/host/regions/us-central1/subnetworks/shared".into());
        assert_eq!(network_interface(&own, &options).unwrap().subnetwork, own.subnet);
        own.network = Some("vpc 1".into());
        let error = network_interface(&own, &options).unwrap_err();
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
