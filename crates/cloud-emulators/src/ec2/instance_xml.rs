//! How an instance looks on the wire.

use super::describe_instances::Listed;
use super::encoding::{hash, time};
use super::instance::{Instance, Interface, MetadataOptions, Phase};
use super::region_state::Region;
use super::state::ACCOUNT;
use super::tags;
use super::xml_writer::Xml;

pub fn profile_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}")
}

/// The region's part of a host name; us-east-1 is the odd one out.
fn suffix(region: &Region, odd: &str, other: &str) -> String {
    match region.info.name {
        "us-east-1" => odd.to_owned(),
        name => format!("{name}.{other}"),
    }
}

pub fn public_name(region: &Region, ip: &str) -> String {
    let suffix = suffix(region, "compute-1.amazonaws.com", "compute.amazonaws.com");
    format!("ec2-{}.{suffix}", ip.replace('.', "-"))
}

fn private_name(region: &Region, ip: &str) -> String {
    let suffix = suffix(region, "ec2.internal", "compute.internal");
    format!("ip-{}.{suffix}", ip.replace('.', "-"))
}

pub fn state(xml: &mut Xml, name: &str, phase: Phase) {
    xml.inside(name, |xml| {
        xml.text("code", phase.code());
        xml.text("name", phase.name());
    });
}

pub fn groups(xml: &mut Xml, region: &Region, ids: &[String]) {
    let groups = ids.iter().filter_map(|id| region.groups.get(id));
    xml.set("groupSet", groups, |xml, group| {
        xml.text("groupId", &group.id);
        xml.text("groupName", &group.name);
    });
}

/// The inside of a reservation: of one launch, the instances that are listed.
pub fn reservation(xml: &mut Xml, id: &str, listed: &[Listed]) {
    xml.text("reservationId", id);
    xml.text("ownerId", ACCOUNT);
    // Groups of a reservation are EC2-Classic's, and always empty since.
    xml.set("groupSet", std::iter::empty::<()>(), |_, ()| {});
    xml.set("instancesSet", listed, instance);
}

fn instance(xml: &mut Xml, listed: &Listed) {
    let (region, instance) = (listed.region, listed.instance);
    let interface = instance.interface.as_ref();
    let public_ip = interface.and_then(|interface| interface.public_ip.as_deref());
    xml.text("instanceId", &instance.id);
    xml.text("imageId", &instance.image.id);
    state(xml, "instanceState", instance.phase);
    let private_ip = interface.map(|interface| interface.private_ip.as_str());
    xml.text(
        "privateDnsName",
        private_ip.map(|ip| private_name(region, ip)).unwrap_or_default(),
    );
    xml.text(
        "dnsName",
        public_ip.map(|ip| public_name(region, ip)).unwrap_or_default(),
    );
    let reason = instance.reason.as_ref();
    xml.text(
        "reason",
        reason.map(|reason| reason.transition.as_str()).unwrap_or_default(),
    );
    xml.maybe("keyName", instance.key_name.as_deref());
    xml.text("amiLaunchIndex", instance.launch_index);
    xml.text("productCodes", "");
    xml.text("instanceType", instance.kind.name);
    xml.text("launchTime", time(instance.launched));
    xml.inside("placement", |xml| {
        xml.text("availabilityZone", &instance.zone);
        let mut zones = region.info.zones();
        xml.maybe(
            "availabilityZoneId",
            zones.find(|zone| zone.name == instance.zone).map(|zone| zone.id),
        );
        xml.text("groupName", "");
        xml.text("tenancy", "default");
    });
    xml.maybe("platform", instance.image.platform.short());
    xml.inside("monitoring", |xml| {
        xml.text("state", if instance.monitored { "enabled" } else { "disabled" });
    });
    xml.maybe("subnetId", interface.map(|interface| interface.subnet.as_str()));
    xml.maybe("vpcId", interface.map(|interface| interface.vpc.as_str()));
    xml.maybe("privateIpAddress", private_ip);
    xml.maybe("ipAddress", public_ip);
    if let Some(reason) = reason {
        xml.inside("stateReason", |xml| {
            xml.text("code", &reason.code);
            xml.text("message", &reason.message);
        });
    }
    xml.text("architecture", instance.image.architecture);
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", instance.image.root_device);
    // In the answer to a launch the disks are not attached yet; EC2 leaves them out until they are.
    let disks = instance
        .disks
        .iter()
        .filter(|_| instance.phase != Phase::Pending || instance.epoch > 0);
    xml.set("blockDeviceMapping", disks, |xml, disk| {
        xml.text("deviceName", &disk.device);
        xml.inside("ebs", |xml| {
            xml.text("volumeId", &disk.volume);
            xml.text("status", "attached");
            xml.text("attachTime", time(disk.attached));
            xml.text("deleteOnTermination", disk.delete_on_termination);
        });
    });
    xml.text("virtualizationType", "hvm");
    if let Some(spot) = &instance.spot {
        xml.text("instanceLifecycle", "spot");
        xml.text("spotInstanceRequestId", &spot.request);
    }
    xml.text("clientToken", instance.client_token.as_deref().unwrap_or_default());
    tags::write(xml, region.visible_tags(&instance.id, listed.now));
    groups(xml, region, &instance.groups);
    xml.text("sourceDestCheck", instance.source_dest_check);
    xml.text("hypervisor", "xen");
    xml.set("networkInterfaceSet", interface, |xml, interface| {
        write_interface(xml, region, instance, interface);
    });
    if let Some(profile) = &instance.profile {
        xml.inside("iamInstanceProfile", |xml| {
            xml.text("arn", profile_arn(profile));
            xml.text("id", format!("AIPA{:016X}", hash(profile)));
        });
    }
    xml.text("ebsOptimized", instance.ebs_optimized);
    xml.text("enaSupport", true);
    xml.inside("cpuOptions", |xml| {
        xml.text("coreCount", instance.kind.cores());
        xml.text("threadsPerCore", instance.kind.threads_per_core());
    });
    xml.inside("capacityReservationSpecification", |xml| {
        xml.text("capacityReservationPreference", "open");
    });
    xml.inside("hibernationOptions", |xml| xml.text("configured", false));
    metadata(
        xml,
        "metadataOptions",
        &instance.metadata,
        instance.phase == Phase::Pending,
    );
    xml.inside("enclaveOptions", |xml| xml.text("enabled", false));
    xml.text("platformDetails", instance.image.platform.details());
    xml.text("usageOperation", instance.image.platform.usage_operation());
    xml.text("usageOperationUpdateTime", time(instance.created));
    xml.inside("maintenanceOptions", |xml| xml.text("autoRecovery", "default"));
}

fn write_interface(xml: &mut Xml, region: &Region, instance: &Instance, interface: &Interface) {
    let association = |xml: &mut Xml| {
        if let Some(ip) = &interface.public_ip {
            xml.inside("association", |xml| {
                xml.text("publicIp", ip);
                xml.text("publicDnsName", public_name(region, ip));
                xml.text("ipOwnerId", "amazon");
            });
        }
    };
    xml.text("networkInterfaceId", &interface.id);
    xml.text("subnetId", &interface.subnet);
    xml.text("vpcId", &interface.vpc);
    xml.text("description", &interface.description);
    xml.text("ownerId", ACCOUNT);
    xml.text("status", "in-use");
    xml.text("macAddress", interface.mac());
    xml.text("privateIpAddress", &interface.private_ip);
    xml.text("privateDnsName", private_name(region, &interface.private_ip));
    xml.text("sourceDestCheck", instance.source_dest_check);
    groups(xml, region, &instance.groups);
    xml.inside("attachment", |xml| {
        xml.text("attachmentId", interface.id.replace("eni", "eni-attach"));
        xml.text("deviceIndex", 0);
        xml.text(
            "status",
            if instance.phase == Phase::Pending {
                "attaching"
            } else {
                "attached"
            },
        );
        xml.text("attachTime", time(interface.attached));
        xml.text("deleteOnTermination", interface.delete_on_termination);
        xml.text("networkCardIndex", 0);
    });
    association(xml);
    xml.set("privateIpAddressesSet", [()], |xml, ()| {
        xml.text("privateIpAddress", &interface.private_ip);
        xml.text("privateDnsName", private_name(region, &interface.private_ip));
        xml.text("primary", true);
        association(xml);
    });
    xml.text("interfaceType", "interface");
}

pub fn metadata(xml: &mut Xml, name: &str, options: &MetadataOptions, pending: bool) {
    xml.inside(name, |xml| {
        xml.text("state", if pending { "pending" } else { "applied" });
        xml.text("httpTokens", &options.tokens);
        xml.text("httpPutResponseHopLimit", options.hop_limit);
        xml.text("httpEndpoint", &options.endpoint);
        xml.text("httpProtocolIpv6", &options.ipv6);
        xml.text("instanceMetadataTags", &options.tags);
    });
}
