//! The firewall rules that open ports: what they are called, and what they say. Only Compute Engine: EC2 has security
//! groups, of which an instance has its own.
//!
//! A rule applies to instances by their network tags. So those that open the same ports on the same network share a
//! tag, and with it the rules. Rules have no labels: that one is ours stands in its description.
//!
//! <https://cloud.google.com/firewall/docs/using-firewalls>

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::Firewall;
use google_cloud_compute_v1::model::firewall::{Allowed, Direction};
use sha2::{Digest, Sha256};

use crate::cloud::IngressRule;
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::labels::OPEN_PORT_PREFIX;

/// By which a rule is known as ours.
const MANAGED_MARK: &str = "cloudctl-managed=true";
/// Digits of the digest in a name; a name has 63 characters at most.
const DIGITS: usize = 16;

/// Ports that instances of one network are reached at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirewallRules {
    /// The network tag of those instances.
    pub(crate) tag: String,
    network: String,
    ingress_rules: BTreeSet<IngressRule>,
}

impl FirewallRules {
    /// Those of a network; nothing if there are none.
    pub(crate) fn new(network: &str, wanted: &[IngressRule]) -> Option<Self> {
        let wanted: BTreeSet<IngressRule> = wanted.iter().cloned().collect();
        if wanted.is_empty() {
            return None;
        }
        let texts: Vec<_> = wanted
            .iter()
            .map(|rule| format!("{}/{}", rule.port, rule.source))
            .collect();
        let digest = Sha256::digest(format!("{network}\n{}", texts.join("\n")));
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self {
            tag: format!("{OPEN_PORT_PREFIX}{}", &digits[..DIGITS]),
            network: network.to_owned(),
            ingress_rules: wanted,
        })
    }

    /// The rules that open them: one for each set of ports and each version of IP, which do not mix in one.
    pub(crate) fn to_rules(&self) -> Vec<Firewall> {
        let mut ports: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
        for rule in &self.ingress_rules {
            ports.entry(&rule.source).or_default().insert(rule.port);
        }
        let mut sources: BTreeMap<(bool, BTreeSet<u16>), Vec<&str>> = BTreeMap::new();
        for (source, ports) in ports {
            sources.entry((source.contains(':'), ports)).or_default().push(source);
        }
        let rules = sources.into_iter().enumerate().map(|(index, ((_, ports), sources))| {
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

/// Whether cloudctl made a rule.
pub(crate) fn is_managed(rule: &Firewall) -> bool {
    let named = rule
        .name
        .as_deref()
        .is_some_and(|name| name.starts_with(OPEN_PORT_PREFIX));
    named
        && rule
            .description
            .as_deref()
            .is_some_and(|text| text.contains(MANAGED_MARK))
}

/// The tag of the instances that a rule of ours is for.
pub(crate) fn managed_tag(rule: &Firewall) -> Option<&str> {
    match rule.target_tags.as_slice() {
        [tag] if is_managed(rule) => Some(tag),
        _ => None,
    }
}

/// Whether a rule that is there does what is wanted of it.
pub(crate) fn is_equivalent(there: &Firewall, wanted: &Firewall) -> bool {
    let sorted = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
    let network = |rule: &Firewall| rule.network.as_deref().map(|url| last_segment(url).to_owned());
    let allowed = |rule: &Firewall| match rule.allowed.as_slice() {
        [only] => Some((only.ip_protocol.clone(), sorted(&only.ports))),
        _ => None,
    };
    there.disabled != Some(true)
        && there
            .direction
            .as_ref()
            .is_none_or(|direction| *direction == Direction::Ingress)
        && there.denied.is_empty()
        && there.source_tags.is_empty()
        && there.source_service_accounts.is_empty()
        && there.destination_ranges.is_empty()
        && network(there) == network(wanted)
        && sorted(&there.source_ranges) == sorted(&wanted.source_ranges)
        && sorted(&there.target_tags) == sorted(&wanted.target_tags)
        && allowed(wanted).is_some_and(|wanted| allowed(there) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress_rules(texts: &[&str]) -> FirewallRules {
        let ingress_rules: Vec<IngressRule> = texts.iter().map(|text| text.parse().unwrap()).collect();
        FirewallRules::new("default", &ingress_rules).unwrap()
    }

    #[test]
    fn the_tag_is_of_the_network_and_the_ports_in_any_order() {
        let one = ingress_rules(&["22", "443"]);
        assert_eq!(one, ingress_rules(&["443", "22", "22/0.0.0.0/0"]));
        assert_eq!(one.tag.len(), OPEN_PORT_PREFIX.len() + DIGITS);
        assert_ne!(one.tag, ingress_rules(&["22"]).tag);
        let other = FirewallRules::new("inner", &["22".parse().unwrap(), "443".parse().unwrap()]).unwrap();
        assert_ne!(one.tag, other.tag);
        assert_eq!(FirewallRules::new("default", &[]), None);
        // A change of this value would leave the rules of an earlier version alone.
        assert_eq!(ingress_rules(&["22"]).tag, "cloudctl-open-1d9fd097333d5d82");
    }

    #[test]
    fn one_rule_has_the_same_ports_and_one_version_of_ip() {
        let rules = ingress_rules(&["22", "443", "8080/10.0.0.0/8", "8080/192.168.0.0/16", "22/::/0"]).to_rules();
        let told: Vec<_> = rules
            .iter()
            .map(|rule| (rule.source_ranges.join(" "), rule.allowed[0].ports.join(" ")))
            .collect();
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|(sources, ports)| (sources.as_str(), ports.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("0.0.0.0/0", "22 443"),
                ("10.0.0.0/8 192.168.0.0/16", "8080"),
                ("::/0", "22"),
            ]
        );
        let names: BTreeSet<_> = rules.iter().map(|rule| rule.name.clone().unwrap()).collect();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| name.len() <= 63));
        assert!(rules.iter().all(is_managed));
    }

    #[test]
    fn a_rule_that_does_something_else_is_told() {
        let wanted = ingress_rules(&["22"]).to_rules().remove(0);
        let there = || {
            let network = "https://www.googleapis.com/compute/v1/projects/p/global/networks/default";
            wanted
                .clone()
                .set_network(network)
                .set_priority(1000)
                .set_disabled(false)
        };
        assert!(is_equivalent(&there(), &wanted));
        let other = Allowed::new().set_ip_protocol("tcp").set_ports(["22", "23"]);
        for changed in [
            there().set_disabled(true),
            there().set_source_ranges(["10.0.0.0/8"]),
            there().set_target_tags(["web"]),
            there().set_allowed([other]),
            there().set_network("global/networks/inner"),
        ] {
            assert!(!is_equivalent(&changed, &wanted));
        }
        assert!(!is_managed(&there().set_description("by hand")));
    }
}
