//! Attributes of an instance, one at a time.

use super::encoding::from_base64;
use super::errors::{Answer, Refusal};
use super::instance::{Instance, MetadataOptions, Phase};
use super::instance_types;
use super::instance_xml;
use super::query_protocol::Node;
use super::security_groups;
use super::state::Context;
use super::tags::{done, fit_metadata};
use super::xml_writer::Xml;

impl Context<'_> {
    /// The instance that a request names by `InstanceId`.
    fn named(&mut self) -> Answer<&mut Instance> {
        let id = self.query.need("InstanceId")?;
        let region = self.region();
        region.find(&[id])?;
        Ok(region.instance_mut(id).expect("found before"))
    }
}

pub fn describe_instance_attribute(context: &mut Context) -> Answer<Xml> {
    let attribute = context.query.need("Attribute")?;
    let id = context.named()?.id.clone();
    let region = context.region();
    let instance = region.instance(&id).expect("found before");
    let mut xml = Xml::default();
    xml.text("instanceId", &id);
    match attribute {
        "disableApiTermination" => xml.attribute(attribute, instance.protected),
        "disableApiStop" => xml.attribute(attribute, instance.stop_protected),
        "instanceInitiatedShutdownBehavior" => xml.attribute(attribute, &instance.on_shutdown),
        "instanceType" => xml.attribute(attribute, instance.kind.name),
        "rootDeviceName" => xml.attribute(attribute, instance.image.root_device),
        "sourceDestCheck" => xml.attribute(attribute, instance.source_dest_check),
        "ebsOptimized" => xml.attribute(attribute, instance.ebs_optimized),
        "enaSupport" => xml.attribute(attribute, true),
        "userData" => xml.inside(attribute, |xml| xml.maybe("value", instance.user_data.as_deref())),
        "groupSet" => instance_xml::groups(&mut xml, region, &instance.groups),
        "blockDeviceMapping" => xml.set(attribute, &instance.disks, |xml, disk| {
            xml.text("deviceName", &disk.device);
            xml.inside("ebs", |xml| {
                xml.text("volumeId", &disk.volume);
                xml.text("status", "attached");
                xml.text("attachTime", super::encoding::time(disk.attached));
                xml.text("deleteOnTermination", disk.delete_on_termination);
            });
        }),
        other => {
            return Err(Refusal::value(format!(
                "Value ({other}) for parameter attribute is invalid. Unknown attribute."
            )));
        }
    }
    Ok(xml)
}

/// One change, by the name that DescribeInstanceAttribute gives to what changes.
fn changes(query: &Node) -> Vec<(&str, &str)> {
    let mut changes: Vec<(&str, &str)> = [
        ("disableApiTermination", "DisableApiTermination.Value"),
        ("disableApiStop", "DisableApiStop.Value"),
        ("instanceType", "InstanceType.Value"),
        (
            "instanceInitiatedShutdownBehavior",
            "InstanceInitiatedShutdownBehavior.Value",
        ),
        ("userData", "UserData.Value"),
        ("sourceDestCheck", "SourceDestCheck.Value"),
        ("ebsOptimized", "EbsOptimized.Value"),
    ]
    .into_iter()
    .filter_map(|(attribute, path)| Some((attribute, query.get(path)?)))
    .collect();
    if let (Some(attribute), Some(value)) = (query.get("Attribute"), query.get("Value")) {
        changes.push((attribute, value));
    }
    changes
}

pub fn modify_instance_attribute(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let changes = changes(query);
    let group_ids = query.values("GroupId");
    let disks = query.list("BlockDeviceMapping");
    let count = changes.len() + usize::from(!group_ids.is_empty()) + usize::from(!disks.is_empty());
    if count == 0 {
        return Err(Refusal::missing("attribute"));
    }
    if count > 1 {
        return Err(Refusal::combination("Fields for multiple attribute types specified"));
    }
    context.named()?;
    for id in &group_ids {
        security_groups::find(context.region(), id)?;
    }
    let instance = context.named()?;
    if !group_ids.is_empty() {
        instance.groups = group_ids.into_iter().map(str::to_owned).collect();
    }
    for node in disks {
        change_disk(instance, node)?;
    }
    for (attribute, value) in changes {
        change(instance, attribute, value)?;
    }
    Ok(done())
}

fn change_disk(instance: &mut Instance, node: &Node) -> Answer<()> {
    let device = node.need("DeviceName")?;
    let disk = instance
        .disks
        .iter_mut()
        .find(|disk| disk.device == device)
        .ok_or_else(|| {
            Refusal::new(
                "InvalidInstanceAttributeValue",
                format!("No device is currently mapped at {device}"),
            )
        })?;
    if let Some(deletes) = node.flag("Ebs.DeleteOnTermination") {
        disk.delete_on_termination = deletes;
    }
    Ok(())
}

fn change(instance: &mut Instance, attribute: &str, value: &str) -> Answer<()> {
    let flag = || match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::value(format!(
            "Value ({value}) for parameter {attribute} is invalid."
        ))),
    };
    let stopped = || {
        if instance.phase == Phase::Stopped {
            return Ok(());
        }
        Err(Refusal::new(
            "IncorrectInstanceState",
            format!("The instance '{}' is not in the 'stopped' state.", instance.id),
        ))
    };
    match attribute {
        "disableApiTermination" => {
            let wanted = flag()?;
            if instance.spot.is_some() {
                return Err(Refusal::new(
                    "UnsupportedOperation",
                    "Termination protection cannot be changed for Spot Instances.",
                ));
            }
            instance.protected = wanted;
        }
        "disableApiStop" => instance.stop_protected = flag()?,
        "sourceDestCheck" => instance.source_dest_check = flag()?,
        "ebsOptimized" => {
            stopped()?;
            instance.ebs_optimized = flag()?;
        }
        "instanceInitiatedShutdownBehavior" => {
            instance.on_shutdown = shutdown_behaviour(value)?;
        }
        "instanceType" => {
            let kind = instance_types::find(value).ok_or_else(|| {
                Refusal::new(
                    "InvalidInstanceAttributeValue",
                    format!("Invalid value '{value}' for InstanceType."),
                )
            })?;
            stopped()?;
            instance.kind = kind;
        }
        "userData" => {
            from_base64(value).ok_or_else(|| Refusal::value("Invalid BASE64 encoding of user data."))?;
            stopped()?;
            instance.user_data = Some(value.to_owned());
        }
        other => {
            return Err(Refusal::value(format!(
                "Value ({other}) for parameter attribute is invalid. Unknown attribute."
            )));
        }
    }
    Ok(())
}

pub fn shutdown_behaviour(value: &str) -> Answer<String> {
    if matches!(value, "stop" | "terminate") {
        return Ok(value.to_owned());
    }
    Err(Refusal::value(format!(
        "Value ({value}) for parameter instanceInitiatedShutdownBehavior is invalid. Allowed values: stop, terminate"
    )))
}

/// Reads metadata options, below a path such as `MetadataOptions`, over what holds without them.
pub fn metadata_options(node: &Node, mut options: MetadataOptions) -> Answer<MetadataOptions> {
    let choice = |name: &str, allowed: [&str; 2], into: &mut String| {
        let Some(value) = node.get(name) else { return Ok(()) };
        if !allowed.contains(&value) {
            return Err(Refusal::value(format!(
                "Value ({value}) for parameter {name} is invalid. Allowed values: {}",
                allowed.join(", ")
            )));
        }
        value.clone_into(into);
        Ok(())
    };
    choice("HttpTokens", ["optional", "required"], &mut options.tokens)?;
    choice("HttpEndpoint", ["enabled", "disabled"], &mut options.endpoint)?;
    choice("HttpProtocolIpv6", ["enabled", "disabled"], &mut options.ipv6)?;
    choice("InstanceMetadataTags", ["enabled", "disabled"], &mut options.tags)?;
    if let Some(limit) = node.integer("HttpPutResponseHopLimit") {
        if !(1..=64).contains(&limit) {
            return Err(Refusal::value(format!(
                "Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64"
            )));
        }
        options.hop_limit = limit;
    }
    Ok(options)
}

pub fn modify_instance_metadata_options(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let instance = context.named()?;
    if instance.phase.is_over() {
        return Err(Refusal::new(
            "IncorrectInstanceState",
            format!(
                "The instance '{}' is not in a valid state for this operation.",
                instance.id
            ),
        ));
    }
    let wanted = metadata_options(query, instance.metadata.clone())?;
    let id = instance.id.clone();
    let region = context.region();
    if wanted.tags == "enabled"
        && let Some(tags) = region.tags.get(&id)
    {
        fit_metadata(tags.current.keys())?;
    }
    let instance = region.instance_mut(&id).expect("found before");
    instance.metadata = wanted;
    let mut xml = Xml::default();
    xml.text("instanceId", &instance.id);
    instance_xml::metadata(&mut xml, "instanceMetadataOptions", &instance.metadata, true);
    Ok(xml)
}
