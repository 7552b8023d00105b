//! The name and content of the firewall rules that open ports.
//!
//! A rule applies to instances by their network tags. So instances with the same open ports on the same network share a
//! tag and its rules. Rules have no labels: the description says that cloudctl manages the rule.
//! <https://cloud.google.com/firewall/docs/using-firewalls>

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::Firewall;
use google_cloud_compute_v1::model::firewall::{Allowed, Direction};
use sha2::{Digest, Sha256};

use crate::cloud::IngressRule;
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::labels::OPEN_PORT_PREFIX;

/// The text in the description of a rule that cloudctl manages.
const MANAGED_MARK: &str = "cloudctl-managed=true";
/// Digits of the digest in a name. A name has 63 characters at most.
const DIGEST_DIGITS: usize = 16;

/// The ports that are open to some instances of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirewallRules {
    pub(crate) tag: String,
    network: String,
    ingress_rules: BTreeSet<IngressRule>,
}

impl FirewallRules {
    /// Makes the rules for a network; `None` without ingress rules.
    pub(crate) fn new(network: &str, wanted: &[IngressRule]) -> Option<Self> {
        let wanted: BTreeSet<IngressRule> = wanted.iter().cloned().collect();
        if wanted.is_empty() {
            return None;
        }
        let texts: Vec<_> = wanted
            .iter()
            .map(|rule| format!("{}/{}", rule.port, rule.source))
            .collect();
        let digits = hex::encode(Sha256::digest(format!("{network}\n{}", texts.join("\n"))));
        Some(Self {
            tag: format!("{OPEN_PORT_PREFIX}{}", &digits[..DIGEST_DIGITS]),
            network: network.to_owned(),
            ingress_rules: wanted,
        })
    }

    /// Makes the firewall rules of the API: one for each set of ports and each IP version, which one rule cannot mix.
    pub(crate) fn to_rules(&self) -> Vec<Firewall> {
        let mut ports_by_source: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
        for rule in &self.ingress_rules {
            ports_by_source.entry(&rule.source).or_default().insert(rule.port);
        }
        // A rule cannot have sources of both families.
        let mut sources_by_family_and_ports: BTreeMap<(bool, BTreeSet<u16>), Vec<&str>> = BTreeMap::new();
        for (source, ports) in ports_by_source {
            let is_ipv6 = source.contains(':');
            let sources = sources_by_family_and_ports.entry((is_ipv6, ports)).or_default();
            sources.push(source);
        }
        let groups = sources_by_family_and_ports.into_iter().enumerate();
        let rules = groups.map(|(index, ((_is_ipv6, ports), sources))| {
            let name = match index {
                0 => self.tag.clone(),
                _ => format!("{}-{}", self.tag, index + 1),
            };
            let allowed = Allowed::new()
                .set_ip_protocol("tcp")
                .set_ports(ports.iter().map(ToString::to_string));
            Firewall::new()
                .set_name(name)
                .set_description(format!(
                    "Opened by cloudctl, and removed with the last VM of its tag ({MANAGED_MARK})"
                ))
                .set_network(format!("global/networks/{}", self.network))
                .set_direction(Direction::Ingress)
                .set_source_ranges(sources)
                .set_target_tags([&self.tag])
                .set_allowed([allowed])
        });
        rules.collect()
    }
}

/// Says whether cloudctl manages a rule.
pub(crate) fn is_managed(rule: &Firewall) -> bool {
    let name = rule.name.as_deref().unwrap_or_default();
    let description = rule.description.as_deref().unwrap_or_default();
    name.starts_with(OPEN_PORT_PREFIX) && description.contains(MANAGED_MARK)
}

/// Returns the tag of a rule that cloudctl manages.
pub(crate) fn managed_tag(rule: &Firewall) -> Option<&str> {
    match rule.target_tags.as_slice() {
        [tag] if is_managed(rule) => Some(tag),
        _ => None,
    }
}

/// Says whether an existing rule does what the wanted rule does.
pub(crate) fn is_equivalent(existing: &Firewall, wanted: &Firewall) -> bool {
    let sorted = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
    let network_name = |rule: &Firewall| rule.network.as_deref().map(|url| last_segment(url).to_owned());
    let allowed_ports = |rule: &Firewall| match rule.allowed.as_slice() {
        [only] => Some((only.ip_protocol.clone(), sorted(&only.ports))),
        _ => None,
    };
    existing.disabled != Some(true)
        && existing
            .direction
            .as_ref()
            .is_none_or(|direction| *direction == Direction::Ingress)
        && existing.denied.is_empty()
        && existing.source_tags.is_empty()
        && existing.source_service_accounts.is_empty()
        && existing.destination_ranges.is_empty()
        && network_name(existing) == network_name(wanted)
        && sorted(&existing.source_ranges) == sorted(&wanted.source_ranges)
        && sorted(&existing.target_tags) == sorted(&wanted.target_tags)
        && allowed_ports(wanted).is_some_and(|ports| allowed_ports(existing) == Some(ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress_rules(texts: &[&str]) -> FirewallRules {
        let ingress_rules: Vec<IngressRule> = texts.iter().map(|text| text.parse().unwrap()).collect();
        FirewallRules::new("default", &ingress_rules).unwrap()
    }

    #[test]
    fn tag_depends_on_network_and_ports_in_any_order() {
        let one = ingress_rules(&["22", "443"]);
        assert_eq!(one, ingress_rules(&["443", "22", "22/0.0.0.0/0"]));
        assert_eq!(one.tag.len(), OPEN_PORT_PREFIX.len() + DIGEST_DIGITS);
        assert_ne!(one.tag, ingress_rules(&["22"]).tag);
        let other = FirewallRules::new("inner", &["22".parse().unwrap(), "443".parse().unwrap()]).unwrap();
        assert_ne!(one.tag, other.tag);
        assert_eq!(FirewallRules::new("default", &[]), None);
        // A change of this value would orphan the rules of an earlier version.
        assert_eq!(ingress_rules(&["22"]).tag, "cloudctl-open-1d9fd097333d5d82");
    }

    #[test]
    fn rule_has_one_set_of_ports_and_one_ip_version() {
        let rules = ingress_rules(&["22", "443", "8080/10.0.0.0/8", "8080/192.168.0.0/16", "22/::/0"]).to_rules();
        let contents: Vec<String> = rules
            .iter()
            .map(|rule| format!("{}: {}", rule.source_ranges.join(" "), rule.allowed[0].ports.join(" ")))
            .collect();
        assert_eq!(
            contents,
            ["0.0.0.0/0: 22 443", "10.0.0.0/8 192.168.0.0/16: 8080", "::/0: 22"]
        );
        let names: BTreeSet<_> = rules.iter().map(|rule| rule.name.clone().unwrap()).collect();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| name.len() <= 63));
        assert!(rules.iter().all(is_managed));
    }

    #[test]
    fn changed_rule_is_not_equivalent() {
        let wanted = ingress_rules(&["22"]).to_rules().remove(0);
        let existing = || {
            let network = "https://www.googleapis.com/compute/v1/projects/p/global/networks/default";
            wanted
                .clone()
                .set_network(network)
                .set_priority(1000)
                .set_disabled(false)
        };
        assert!(is_equivalent(&existing(), &wanted));
        let other = Allowed::new().set_ip_protocol("tcp").set_ports(["22", "23"]);
        for changed in [
            existing().set_disabled(true),
            existing().set_source_ranges(["10.0.0.0/8"]),
            existing().set_target_tags(["web"]),
            existing().set_allowed([other]),
            existing().set_network("global/networks/inner"),
        ] {
            assert!(!is_equivalent(&changed, &wanted));
        }
        assert!(!is_managed(&existing().set_description("by hand")));
    }
}
