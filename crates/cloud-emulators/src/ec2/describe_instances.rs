//! DescribeInstances and DescribeInstanceStatus.

use jiff::Timestamp;

use super::encoding::time;
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::instance::{Instance, Phase};
use super::instance_xml;
use super::paging::Page;
use super::region_state::Region;
use super::state::{ACCOUNT, Context};
use super::xml_writer::Xml;

/// An instance among its surroundings, at a time.
pub struct Listed<'a> {
    pub instance: &'a Instance,
    pub region: &'a Region,
    pub now: Timestamp,
}

impl Filterable for Listed<'_> {
    const NAMES: &'static [&'static str] = &[
        "architecture",
        "availability-zone",
        "block-device-mapping.delete-on-termination",
        "block-device-mapping.device-name",
        "block-device-mapping.volume-id",
        "client-token",
        "dns-name",
        "hypervisor",
        "iam-instance-profile.arn",
        "image-id",
        "instance-id",
        "instance-lifecycle",
        "instance-state-code",
        "instance-state-name",
        "instance-type",
        "instance.group-id",
        "instance.group-name",
        "ip-address",
        "key-name",
        "launch-index",
        "launch-time",
        "metadata-options.http-tokens",
        "network-interface.network-interface-id",
        "owner-id",
        "platform",
        "platform-details",
        "private-ip-address",
        "reservation-id",
        "root-device-name",
        "root-device-type",
        "spot-instance-request-id",
        "state-reason-code",
        "subnet-id",
        "virtualization-type",
        "vpc-id",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        let instance = self.instance;
        let interface = instance.interface.as_ref();
        let disks = instance.disks.iter();
        let value = match name {
            "architecture" => Some(instance.image.architecture.to_owned()),
            "availability-zone" => Some(instance.zone.clone()),
            "block-device-mapping.delete-on-termination" => {
                return disks.map(|disk| disk.delete_on_termination.to_string()).collect();
            }
            "block-device-mapping.device-name" => {
                return disks.map(|disk| disk.device.clone()).collect();
            }
            "block-device-mapping.volume-id" => {
                return disks.map(|disk| disk.volume.clone()).collect();
            }
            "client-token" => instance.client_token.clone(),
            "dns-name" => interface
                .and_then(|interface| interface.public_ip.as_deref())
                .map(|ip| instance_xml::public_name(self.region, ip)),
            "hypervisor" => Some("xen".to_owned()),
            "iam-instance-profile.arn" => instance.profile.as_deref().map(instance_xml::profile_arn),
            "image-id" => Some(instance.image.id.clone()),
            "instance-id" => Some(instance.id.clone()),
            "instance-lifecycle" => instance.spot.as_ref().map(|_| "spot".to_owned()),
            "instance-state-code" => Some(instance.phase.code().to_string()),
            "instance-state-name" => Some(instance.phase.name().to_owned()),
            "instance-type" => Some(instance.kind.name.to_owned()),
            "instance.group-id" => return instance.groups.clone(),
            "instance.group-name" => {
                let groups = instance.groups.iter().filter_map(|id| self.region.groups.get(id));
                return groups.map(|group| group.name.clone()).collect();
            }
            "ip-address" => interface.and_then(|interface| interface.public_ip.clone()),
            "key-name" => instance.key_name.clone(),
            "launch-index" => Some(instance.launch_index.to_string()),
            "launch-time" => Some(time(instance.launched)),
            "metadata-options.http-tokens" => Some(instance.metadata.tokens.clone()),
            "network-interface.network-interface-id" => interface.map(|interface| interface.id.clone()),
            "owner-id" => Some(ACCOUNT.to_owned()),
            "platform" => instance.image.platform.short().map(str::to_owned),
            "platform-details" => Some(instance.image.platform.details().to_owned()),
            "private-ip-address" => interface.map(|interface| interface.private_ip.clone()),
            "reservation-id" => Some(instance.reservation.clone()),
            "root-device-name" => Some(instance.image.root_device.to_owned()),
            "root-device-type" => Some("ebs".to_owned()),
            "spot-instance-request-id" => instance.spot.as_ref().map(|spot| spot.request.clone()),
            "state-reason-code" => instance.reason.as_ref().map(|reason| reason.code.clone()),
            "subnet-id" => interface.map(|interface| interface.subnet.clone()),
            "vpc-id" => interface.map(|interface| interface.vpc.clone()),
            _ => Some("hvm".to_owned()),
        };
        value.into_iter().collect()
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.region.visible_tags(&self.instance.id, self.now)
    }
}

/// What both listings judge before they look at any instance.
struct Check {
    page: Page,
    filters: Filters,
    now: Timestamp,
    /// Reads see what was created until then.
    visible: Timestamp,
}

fn check(context: &mut Context, ids: &[&str]) -> Answer<Check> {
    if !ids.is_empty() && context.query.get("MaxResults").is_some() {
        return Err(Refusal::combination(
            "The parameter instancesSet cannot be used with the parameter maxResults",
        ));
    }
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<Listed>(context.query)?;
    let now = context.state.now();
    let visible = now - jiff::SignedDuration::try_from(context.state.controls.lag).unwrap_or_default();
    let region = context.region();
    region.find(ids)?;
    for id in ids {
        // The same words as for an id that never was: that is what makes the lag dangerous.
        if region.instance(id).is_some_and(|instance| instance.created > visible) {
            return Err(Refusal::new(
                "InvalidInstanceID.NotFound",
                format!("The instance ID '{id}' does not exist"),
            ));
        }
    }
    Ok(Check {
        page,
        filters,
        now,
        visible,
    })
}

/// The instances that may stand on a page, with their positions.
fn chosen<'a>(region: &'a Region, ids: &[&str], check: &'a Check) -> impl Iterator<Item = (u64, Listed<'a>)> {
    let mut named: Vec<u64> = ids.iter().map(|id| region.serials[*id]).collect();
    named.sort_unstable();
    let every = ids.is_empty();
    region
        .instances
        .range(check.page.after() + 1..)
        .filter(move |(serial, _)| every || named.binary_search(serial).is_ok())
        .filter(|(_, instance)| instance.created <= check.visible)
        .map(|(serial, instance)| {
            let listed = Listed {
                instance,
                region,
                now: check.now,
            };
            (*serial, listed)
        })
        .filter(|(_, listed)| check.filters.accept(listed))
}

pub fn describe_instances(context: &mut Context) -> Answer<Xml> {
    let ids = context.query.values("InstanceId");
    let check = check(context, &ids)?;
    let region = context.region();
    let (listed, token) = check.page.cut(chosen(region, &ids, &check));
    let mut xml = Xml::default();
    let reservations = listed.chunk_by(|one, other| one.instance.reservation == other.instance.reservation);
    xml.set("reservationSet", reservations, |xml, listed| {
        instance_xml::reservation(xml, &listed[0].instance.reservation, listed);
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}

pub fn describe_instance_status(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let ids = query.values("InstanceId");
    let every = query.flag("IncludeAllInstances") == Some(true);
    let check = check(context, &ids)?;
    let settling = context.state.controls.transition * 2;
    let region = context.region();
    let listed = chosen(region, &ids, &check).filter(|(_, listed)| every || listed.instance.phase == Phase::Running);
    let (listed, token) = check.page.cut(listed);
    let mut xml = Xml::default();
    xml.set("instanceStatusSet", listed, |xml, listed| {
        let instance = listed.instance;
        xml.text("instanceId", &instance.id);
        xml.text("availabilityZone", &instance.zone);
        instance_xml::state(xml, "instanceState", instance.phase);
        let status = match instance.running_since {
            None => "not-applicable",
            Some(since) if check.now < since + settling => "initializing",
            Some(_) => "ok",
        };
        for name in ["systemStatus", "instanceStatus"] {
            xml.inside(name, |xml| {
                xml.text("status", status);
                let details = (status != "not-applicable").then_some(());
                xml.set("details", details, |xml, ()| {
                    xml.text("name", "reachability");
                    xml.text("status", if status == "ok" { "passed" } else { status });
                });
            });
        }
    });
    xml.maybe("nextToken", token);
    Ok(xml)
}
