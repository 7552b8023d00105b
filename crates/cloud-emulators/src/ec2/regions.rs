//! Regions and zones: the real names, ids and endpoints.

use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::state::Context;
use super::xml_writer::Xml;

pub struct RegionInfo {
    pub name: &'static str,
    /// The beginning of its zone ids.
    short: &'static str,
    /// Zone letters in the order of their zone ids.
    letters: &'static str,
    /// Whether an account has it without asking.
    pub default: bool,
}

const fn region(name: &'static str, short: &'static str, letters: &'static str, default: bool) -> RegionInfo {
    RegionInfo {
        name,
        short,
        letters,
        default,
    }
}

pub const REGIONS: &[RegionInfo] = &[
    region("ap-northeast-1", "apne1", "acd", true),
    region("ap-northeast-2", "apne2", "abcd", true),
    region("ap-northeast-3", "apne3", "abc", true),
    region("ap-south-1", "aps1", "abc", true),
    region("ap-southeast-1", "apse1", "abc", true),
    region("ap-southeast-2", "apse2", "abc", true),
    region("ca-central-1", "cac1", "abd", true),
    region("eu-central-1", "euc1", "abc", true),
    region("eu-north-1", "eun1", "abc", true),
    region("eu-west-1", "euw1", "abc", true),
    region("eu-west-2", "euw2", "abc", true),
    region("eu-west-3", "euw3", "abc", true),
    region("sa-east-1", "sae1", "abc", true),
    region("us-east-1", "use1", "abcdef", true),
    region("us-east-2", "use2", "abc", true),
    region("us-west-1", "usw1", "ac", true),
    region("us-west-2", "usw2", "abcd", true),
    region("af-south-1", "afs1", "abc", false),
    region("ap-east-1", "ape1", "abc", false),
    region("ap-southeast-3", "apse3", "abc", false),
    region("eu-south-1", "eus1", "abc", false),
    region("me-south-1", "mes1", "abc", false),
    region("us-gov-east-1", "usge1", "abc", true),
    region("us-gov-west-1", "usgw1", "abc", true),
    region("cn-north-1", "cnn1", "abd", true),
    region("cn-northwest-1", "cnnw1", "abc", true),
];

/// The partition of a region: others know nothing of it.
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("cn-") => "aws-cn",
        _ => "aws",
    }
}

impl RegionInfo {
    pub fn zones(&self) -> impl Iterator<Item = Zone> + '_ {
        (1..).zip(self.letters.chars()).map(|(number, letter)| Zone {
            region: self.name.to_owned(),
            name: format!("{}{letter}", self.name),
            id: format!("{}-az{number}", self.short),
        })
    }
}

pub struct Zone {
    pub region: String,
    pub name: String,
    pub id: String,
}

impl Filterable for Zone {
    const NAMES: &'static [&'static str] = &[
        "group-name",
        "opt-in-status",
        "region-name",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "group-name" => format!("{}-zg-1", self.region),
            "region-name" => self.region.clone(),
            "opt-in-status" => "opt-in-not-required".to_owned(),
            "state" => "available".to_owned(),
            "zone-id" => self.id.clone(),
            "zone-name" => self.name.clone(),
            _ => "availability-zone".to_owned(),
        }]
    }
}

struct Listed {
    name: &'static str,
    endpoint: String,
    status: &'static str,
}

impl Filterable for Listed {
    const NAMES: &'static [&'static str] = &["endpoint", "opt-in-status", "region-name"];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "endpoint" => self.endpoint.clone(),
            "opt-in-status" => self.status.to_owned(),
            _ => self.name.to_owned(),
        }]
    }
}

pub fn describe_regions(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let names = query.values("RegionName");
    let every = query.flag("AllRegions") == Some(true);
    let filters = Filters::of::<Listed>(query)?;
    if let Some(unknown) = names.iter().find(|name| !context.state.regions.contains_key(**name)) {
        return Err(Refusal::value(format!("Invalid region name: [{unknown}]")));
    }
    let asked = partition(context.region);
    let regions = context.state.regions.values().filter(|region| !region.is_unlisted);
    let regions = regions.filter(|region| partition(region.info.name) == asked);
    let listed = regions.map(|region| Listed {
        name: region.info.name,
        endpoint: format!("ec2.{}.amazonaws.com", region.info.name),
        status: region.opt_in.name(),
    });
    let listed = listed
        .filter(|listed| every || !names.is_empty() || listed.status != "not-opted-in")
        .filter(|listed| names.is_empty() || names.contains(&listed.name))
        .filter(|listed| filters.accept(listed));
    let mut xml = Xml::default();
    xml.set("regionInfo", listed, |xml, listed| {
        xml.text("regionName", listed.name);
        xml.text("regionEndpoint", listed.endpoint);
        xml.text("optInStatus", listed.status);
    });
    Ok(xml)
}

pub fn describe_availability_zones(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let (names, ids) = (query.values("ZoneName"), query.values("ZoneId"));
    let filters = Filters::of::<Zone>(query)?;
    let zones: Vec<Zone> = context.region().info.zones().collect();
    let known = |wanted: &str| zones.iter().any(|zone| zone.name == wanted || zone.id == wanted);
    if let Some(unknown) = names.iter().chain(&ids).find(|wanted| !known(wanted)) {
        return Err(Refusal::value(format!("Invalid availability zone: [{unknown}]")));
    }
    let zones = zones
        .iter()
        .filter(|zone| names.is_empty() || names.contains(&zone.name.as_str()))
        .filter(|zone| ids.is_empty() || ids.contains(&zone.id.as_str()))
        .filter(|zone| filters.accept(*zone));
    let mut xml = Xml::default();
    xml.set("availabilityZoneInfo", zones, |xml, zone| {
        xml.text("optInStatus", "opt-in-not-required");
        xml.set("messageSet", std::iter::empty::<()>(), |_, ()| {});
        xml.text("regionName", &zone.region);
        xml.text("zoneName", &zone.name);
        xml.text("zoneId", &zone.id);
        xml.text("groupName", format!("{}-zg-1", zone.region));
        xml.text("networkBorderGroup", &zone.region);
        xml.text("zoneType", "availability-zone");
        xml.text("zoneState", "available");
    });
    Ok(xml)
}
