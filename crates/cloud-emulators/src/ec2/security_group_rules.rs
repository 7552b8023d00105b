//! The rules of security groups.

use super::encoding::identifier;
use super::errors::{Answer, Refusal};
use super::query_protocol::Node;
use super::security_groups::named;
use super::state::{ACCOUNT, Context};
use super::tags;
use super::xml_writer::Xml;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub protocol: String,
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// An IPv4 or IPv6 block.
    pub cidr: String,
    pub description: Option<String>,
}

pub fn write_permission(xml: &mut Xml, rule: &Rule) {
    xml.text("ipProtocol", &rule.protocol);
    xml.maybe("fromPort", rule.from);
    xml.maybe("toPort", rule.to);
    xml.set("groups", std::iter::empty::<()>(), |_, ()| {});
    let sixth = rule.cidr.contains(':');
    for (name, element, here) in [("ipRanges", "cidrIp", !sixth), ("ipv6Ranges", "cidrIpv6", sixth)] {
        xml.set(name, here.then_some(rule), |xml, rule| {
            xml.text(element, &rule.cidr);
            xml.maybe("description", rule.description.as_deref());
        });
    }
    xml.set("prefixListIds", std::iter::empty::<()>(), |_, ()| {});
}

/// The rules that a request describes, one for each block of addresses.
fn rules(query: &Node) -> Answer<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut add = |node: &Node, cidr: &str, description: Option<&str>| {
        let protocol = node.need("IpProtocol")?.to_owned();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "icmp" | "icmpv6" | "-1") && protocol.parse::<u8>().is_err() {
            return Err(Refusal::value(format!(
                "Invalid value '{protocol}' for IP protocol. Unknown protocol."
            )));
        }
        let (from, to) = (node.integer("FromPort"), node.integer("ToPort"));
        let ports = matches!(protocol.as_str(), "tcp" | "udp");
        let range = from
            .zip(to)
            .is_some_and(|(from, to)| 0 <= from && from <= to && to <= 65_535);
        if ports && !range {
            return Err(Refusal::value("Invalid TCP/UDP port range"));
        }
        let (address, length) = cidr.split_once('/').unwrap_or((cidr, ""));
        let bits = address
            .parse::<std::net::IpAddr>()
            .map(|ip| if ip.is_ipv4() { 32 } else { 128 });
        if !bits.is_ok_and(|bits| length.parse::<u8>().is_ok_and(|length| length <= bits)) {
            return Err(Refusal::value(format!("CIDR block {cidr} is malformed")));
        }
        rules.push(Rule {
            protocol,
            from,
            to,
            cidr: cidr.to_owned(),
            description: description.map(str::to_owned),
        });
        Ok(())
    };
    if let Some(cidr) = query.get("CidrIp") {
        add(query, cidr, None)?;
    }
    for node in query.list("IpPermissions") {
        for (list, element) in [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")] {
            for range in node.list(list) {
                add(node, range.need(element)?, range.get("Description"))?;
            }
        }
    }
    if rules.is_empty() {
        return Err(Refusal::missing("ipPermissions"));
    }
    Ok(rules)
}

pub fn authorize_security_group_ingress(context: &mut Context) -> Answer<Xml> {
    let rules = rules(context.query)?;
    let id = named(context)?;
    let place = context.region;
    let group = context.region().groups.get_mut(&id).expect("found before");
    for rule in &rules {
        let same = |known: &Rule| {
            (&known.protocol, known.from, known.to, &known.cidr) == (&rule.protocol, rule.from, rule.to, &rule.cidr)
        };
        if group.ingress.iter().any(same) {
            return Err(Refusal::new(
                "InvalidPermission.Duplicate",
                format!(
                    "the specified rule \"peer: {}, {}\" already exists",
                    rule.cidr, rule.protocol
                ),
            ));
        }
    }
    group.ingress.extend(rules.clone());
    let mut xml = tags::done();
    xml.set("securityGroupRuleSet", &rules, |xml, rule| {
        let rule_id = identifier("sgr", (&id, format!("{rule:?}")));
        xml.text(
            "securityGroupRuleArn",
            format!("arn:aws:ec2:{place}:{ACCOUNT}:security-group-rule/{rule_id}"),
        );
        xml.text("securityGroupRuleId", &rule_id);
        xml.text("groupId", &id);
        xml.text("groupOwnerId", ACCOUNT);
        xml.text("isEgress", false);
        xml.text("ipProtocol", &rule.protocol);
        xml.text("fromPort", rule.from.unwrap_or(-1));
        xml.text("toPort", rule.to.unwrap_or(-1));
        let element = if rule.cidr.contains(':') {
            "cidrIpv6"
        } else {
            "cidrIpv4"
        };
        xml.text(element, &rule.cidr);
        xml.maybe("description", rule.description.as_deref());
    });
    Ok(xml)
}
