//! VPCs and subnets: each region has its default VPC, with a subnet for each zone.

use super::encoding::identifier;
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::paging::Page;
use super::region_state::Region;
use super::state::{ACCOUNT, Context};
use super::tags;
use super::xml_writer::Xml;

pub use super::security_groups::Group;

/// What a /20 has for instances: AWS keeps five addresses for itself.
const ADDRESSES: u32 = 4091;

#[derive(Clone, Debug)]
pub struct Vpc {
    pub id: String,
    pub cidr: String,
    pub default: bool,
}

#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: String,
    pub vpc: String,
    pub zone: String,
    zone_id: String,
    /// The first two numbers of its addresses, and where the third begins.
    network: (u8, u8, u8),
    pub default: bool,
    pub free: u32,
    next: u32,
}

impl Subnet {
    /// The next address. They come round again after the last, like those of a network with little use.
    pub fn take_address(&mut self) -> String {
        self.free = self.free.saturating_sub(1);
        let host = 4 + self.next % ADDRESSES;
        self.next += 1;
        let (a, b, c) = self.network;
        format!("{a}.{b}.{}.{}", u32::from(c) + host / 256, host % 256)
    }
}

impl Region {
    /// Adds a VPC with a /20 in every zone, and its default security group. Its subnets hand out public
    /// addresses only if it is the default one, as on AWS.
    pub fn add_vpc(&mut self, name: &str, default: bool) -> (String, Vec<String>) {
        let id = identifier("vpc", (self.info.name, name));
        let second = if default {
            (172, 31)
        } else {
            (10, u8::try_from(self.vpcs.len()).unwrap_or(255))
        };
        let vpc = Vpc {
            id: id.clone(),
            cidr: format!("{}.{}.0.0/16", second.0, second.1),
            default,
        };
        self.vpcs.insert(id.clone(), vpc);
        let mut subnets = Vec::new();
        for (index, zone) in (0_u8..).zip(self.info.zones()) {
            let subnet = Subnet {
                id: identifier("subnet", (self.info.name, name, &zone.name)),
                vpc: id.clone(),
                zone: zone.name,
                zone_id: zone.id,
                network: (second.0, second.1, index * 16),
                default,
                free: ADDRESSES,
                next: 0,
            };
            subnets.push(subnet.id.clone());
            self.subnets.insert(subnet.id.clone(), subnet);
        }
        let group = Group::new(
            identifier("sg", (self.info.name, name)),
            "default",
            "default VPC security group",
            &id,
        );
        self.groups.insert(group.id.clone(), group);
        (id, subnets)
    }

    pub fn default_vpc(&self) -> Option<&Vpc> {
        self.vpcs.values().find(|vpc| vpc.default)
    }

    /// As if the account's owner had deleted it, with all that is in it.
    pub fn remove_default_vpc(&mut self) {
        let Some(id) = self.default_vpc().map(|vpc| vpc.id.clone()) else {
            return;
        };
        self.vpcs.remove(&id);
        self.subnets.retain(|_, subnet| subnet.vpc != id);
        self.groups.retain(|_, group| group.vpc != id);
    }
}

pub fn no_default_vpc() -> Refusal {
    Refusal::new(
        "VPCIdNotSpecified",
        "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
    )
}

pub fn subnet_not_found(id: &str) -> Refusal {
    Refusal::new(
        "InvalidSubnetID.NotFound",
        format!("The subnet ID '{id}' does not exist"),
    )
}

struct ListedVpc<'a>(&'a Vpc, Vec<(&'a str, &'a str)>);

impl Filterable for ListedVpc<'_> {
    const NAMES: &'static [&'static str] = &["cidr", "is-default", "isDefault", "owner-id", "state", "vpc-id"];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "cidr" => self.0.cidr.clone(),
            "is-default" | "isDefault" => self.0.default.to_string(),
            "owner-id" => ACCOUNT.to_owned(),
            "state" => "available".to_owned(),
            _ => self.0.id.clone(),
        }]
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.1.clone()
    }
}

pub fn describe_vpcs(context: &mut Context) -> Answer<Xml> {
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<ListedVpc>(context.query)?;
    let ids = context.query.values("VpcId");
    let now = context.state.now();
    let region = context.region();
    if let Some(unknown) = ids.iter().find(|id| !region.vpcs.contains_key(**id)) {
        return Err(Refusal::new(
            "InvalidVpcID.NotFound",
            format!("The vpc ID '{unknown}' does not exist"),
        ));
    }
    let listed = region
        .vpcs
        .values()
        .filter(|vpc| ids.is_empty() || ids.contains(&vpc.id.as_str()))
        .map(|vpc| ListedVpc(vpc, region.visible_tags(&vpc.id, now)))
        .filter(|listed| filters.accept(listed));
    let (listed, token) = page.cut((1..).zip(listed));
    let mut xml = Xml::default();
    xml.set("vpcSet", listed, |xml, ListedVpc(vpc, tags)| {
        xml.text("vpcId", &vpc.id);
        xml.text("ownerId", ACCOUNT);
        xml.text("state", "available");
        xml.text("cidrBlock", &vpc.cidr);
        xml.text("dhcpOptionsId", identifier("dopt", &vpc.id));
        xml.text("instanceTenancy", "default");
        xml.text("isDefault", vpc.default);
        tags::write(xml, tags);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}

struct ListedSubnet<'a>(&'a Subnet, Vec<(&'a str, &'a str)>);

impl Filterable for ListedSubnet<'_> {
    const NAMES: &'static [&'static str] = &[
        "availability-zone",
        "availability-zone-id",
        "availabilityZone",
        "default-for-az",
        "defaultForAz",
        "map-public-ip-on-launch",
        "state",
        "subnet-id",
        "vpc-id",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        vec![match name {
            "availability-zone" | "availabilityZone" => self.0.zone.clone(),
            "availability-zone-id" => self.0.zone_id.clone(),
            "default-for-az" | "defaultForAz" | "map-public-ip-on-launch" => self.0.default.to_string(),
            "state" => "available".to_owned(),
            "subnet-id" => self.0.id.clone(),
            _ => self.0.vpc.clone(),
        }]
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.1.clone()
    }
}

pub fn describe_subnets(context: &mut Context) -> Answer<Xml> {
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<ListedSubnet>(context.query)?;
    let ids = context.query.values("SubnetId");
    let now = context.state.now();
    let region = context.region();
    if let Some(unknown) = ids.iter().find(|id| !region.subnets.contains_key(**id)) {
        return Err(subnet_not_found(unknown));
    }
    let listed = region
        .subnets
        .values()
        .filter(|subnet| ids.is_empty() || ids.contains(&subnet.id.as_str()))
        .map(|subnet| ListedSubnet(subnet, region.visible_tags(&subnet.id, now)))
        .filter(|listed| filters.accept(listed));
    let (listed, token) = page.cut((1..).zip(listed));
    let name = region.info.name;
    let mut xml = Xml::default();
    xml.set("subnetSet", listed, |xml, ListedSubnet(subnet, tags)| {
        let (a, b, c) = subnet.network;
        xml.text("subnetId", &subnet.id);
        xml.text(
            "subnetArn",
            format!("arn:aws:ec2:{name}:{ACCOUNT}:subnet/{}", subnet.id),
        );
        xml.text("state", "available");
        xml.text("ownerId", ACCOUNT);
        xml.text("vpcId", &subnet.vpc);
        xml.text("cidrBlock", format!("{a}.{b}.{c}.0/20"));
        xml.text("availableIpAddressCount", subnet.free);
        xml.text("availabilityZone", &subnet.zone);
        xml.text("availabilityZoneId", &subnet.zone_id);
        xml.text("defaultForAz", subnet.default);
        xml.text("mapPublicIpOnLaunch", subnet.default);
        xml.text("assignIpv6AddressOnCreation", false);
        tags::write(xml, tags);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}
