//! Volumes: made by launches, deleted with their instance or left behind.

use jiff::Timestamp;

use super::encoding::{is_identifier, time};
use super::errors::{Answer, Refusal};
use super::filters::{Filterable, Filters};
use super::paging::Page;
use super::state::Context;
use super::tags;
use super::xml_writer::Xml;

#[derive(Clone, Debug)]
pub struct Volume {
    pub id: String,
    pub zone: String,
    pub size_gib: i64,
    pub kind: String,
    pub iops: Option<i64>,
    pub throughput: Option<i64>,
    pub encrypted: bool,
    pub key: Option<String>,
    pub snapshot: Option<String>,
    pub created: Timestamp,
    pub attachment: Option<Attachment>,
}

#[derive(Clone, Debug)]
pub struct Attachment {
    pub instance: String,
    pub device: String,
    pub delete_on_termination: bool,
    pub attached: Timestamp,
}

impl Volume {
    pub fn state(&self) -> &'static str {
        if self.attachment.is_some() {
            "in-use"
        } else {
            "available"
        }
    }
}

struct Listed<'a> {
    volume: &'a Volume,
    tags: Vec<(&'a str, &'a str)>,
}

impl Filterable for Listed<'_> {
    const NAMES: &'static [&'static str] = &[
        "attachment.delete-on-termination",
        "attachment.device",
        "attachment.instance-id",
        "availability-zone",
        "encrypted",
        "size",
        "snapshot-id",
        "status",
        "volume-id",
        "volume-type",
    ];

    fn field(&self, name: &str) -> Vec<String> {
        let volume = self.volume;
        let attached = |read: fn(&Attachment) -> String| volume.attachment.as_ref().map(read);
        let value = match name {
            "attachment.delete-on-termination" => attached(|attachment| attachment.delete_on_termination.to_string()),
            "attachment.device" => attached(|attachment| attachment.device.clone()),
            "attachment.instance-id" => attached(|attachment| attachment.instance.clone()),
            "availability-zone" => Some(volume.zone.clone()),
            "encrypted" => Some(volume.encrypted.to_string()),
            "size" => Some(volume.size_gib.to_string()),
            "snapshot-id" => volume.snapshot.clone(),
            "status" => Some(volume.state().to_owned()),
            "volume-id" => Some(volume.id.clone()),
            _ => Some(volume.kind.clone()),
        };
        value.into_iter().collect()
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        self.tags.clone()
    }
}

pub fn describe_volumes(context: &mut Context) -> Answer<Xml> {
    let query = context.query;
    let ids = query.values("VolumeId");
    if !ids.is_empty() && query.get("MaxResults").is_some() {
        return Err(Refusal::combination(
            "The parameter volumeSet cannot be used with the parameter maxResults",
        ));
    }
    let page = Page::of(context, 5..=1000)?;
    let filters = Filters::of::<Listed>(query)?;
    let now = context.state.now();
    let region = context.region();
    for id in &ids {
        if !is_identifier("vol", id) {
            return Err(Refusal::value(format!(
                "Value ({id}) for parameter volumeId is invalid. Expected: 'vol-...'."
            )));
        }
        if !region.volumes.contains_key(*id) {
            return Err(Refusal::new(
                "InvalidVolume.NotFound",
                format!("The volume '{id}' does not exist."),
            ));
        }
    }
    let listed = region
        .volumes
        .values()
        .filter(|volume| ids.is_empty() || ids.contains(&volume.id.as_str()))
        .map(|volume| Listed {
            volume,
            tags: region.visible_tags(&volume.id, now),
        })
        .filter(|listed| filters.accept(listed));
    let (listed, token) = page.cut((1..).zip(listed));
    let mut xml = Xml::default();
    xml.set("volumeSet", listed, write);
    xml.maybe("nextToken", token);
    Ok(xml)
}

fn write(xml: &mut Xml, listed: Listed) {
    let volume = listed.volume;
    xml.text("volumeId", &volume.id);
    xml.text("size", volume.size_gib);
    xml.text("snapshotId", volume.snapshot.as_deref().unwrap_or_default());
    xml.text("availabilityZone", &volume.zone);
    xml.text("status", volume.state());
    xml.text("createTime", time(volume.created));
    xml.set("attachmentSet", &volume.attachment, |xml, attachment| {
        xml.text("volumeId", &volume.id);
        xml.text("instanceId", &attachment.instance);
        xml.text("device", &attachment.device);
        xml.text("status", "attached");
        xml.text("attachTime", time(attachment.attached));
        xml.text("deleteOnTermination", attachment.delete_on_termination);
    });
    xml.text("volumeType", &volume.kind);
    xml.maybe("iops", volume.iops);
    xml.maybe("throughput", volume.throughput);
    xml.text("encrypted", volume.encrypted);
    xml.maybe("kmsKeyId", volume.key.as_deref());
    xml.text("multiAttachEnabled", false);
    tags::write(xml, listed.tags);
}
