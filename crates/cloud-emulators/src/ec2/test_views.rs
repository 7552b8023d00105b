//! What a test sees of the cloud's memory: plain values, copied out.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::encoding::from_base64;
use super::instance::Instance;
use super::region_state::Region;
use super::volumes::Volume;

/// An instance.
#[derive(Clone, Debug)]
pub struct InstanceView {
    /// `i-…`
    pub id: String,
    /// The region that it is in.
    pub region: String,
    /// The availability zone.
    pub zone: String,
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`.
    pub state: &'static str,
    /// The code, such as `Client.UserInitiatedShutdown`.
    pub state_reason: Option<String>,
    /// The machine type.
    pub instance_type: &'static str,
    /// The id of its image.
    pub image: String,
    /// The name of its image.
    pub image_name: String,
    /// All tags, without any lag.
    pub tags: BTreeMap<String, String>,
    /// Attached ones only; a terminated instance has none.
    pub volumes: Vec<VolumeView>,
    /// The id of the VPC.
    pub vpc: Option<String>,
    /// The id of the subnet.
    pub subnet: Option<String>,
    /// Ids.
    pub security_groups: Vec<String>,
    /// The key pair that the launch named.
    pub key_name: Option<String>,
    /// Decoded.
    pub user_data: Option<Vec<u8>>,
    /// Whether it is protected against termination.
    pub protected: bool,
    /// Whether it was launched as a spot instance.
    pub spot: bool,
    /// `required` or `optional`: whether its metadata service wants a session token.
    pub http_tokens: String,
    /// Whether it sees its tags in its metadata.
    pub sees_tags: bool,
    /// `stop` or `terminate`.
    pub shutdown_behaviour: String,
    /// The public address, while it has one.
    pub public_ip: Option<String>,
    /// The private address.
    pub private_ip: Option<String>,
    /// The client token of the launch.
    pub client_token: Option<String>,
    /// `r-…`
    pub reservation: String,
    /// Its number within its launch, from 0.
    pub launch_index: usize,
    /// When it was made.
    pub created: Timestamp,
    /// When it was started last.
    pub launched: Timestamp,
}

impl InstanceView {
    /// Neither terminated nor on the way there.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, "shutting-down" | "terminated")
    }

    /// The tag `Name`.
    pub fn name(&self) -> Option<&str> {
        self.tags.get("Name").map(String::as_str)
    }

    pub(super) fn of(region: &Region, instance: &Instance) -> Self {
        let interface = instance.interface.as_ref();
        let volumes = instance
            .disks
            .iter()
            .filter_map(|disk| region.volumes.get(&disk.volume));
        Self {
            id: instance.id.clone(),
            region: region.info.name.to_owned(),
            zone: instance.zone.clone(),
            state: instance.phase.name(),
            state_reason: instance.reason.as_ref().map(|reason| reason.code.clone()),
            instance_type: instance.kind.name,
            image: instance.image.id.clone(),
            image_name: instance.image.name.clone(),
            tags: region
                .tags
                .get(&instance.id)
                .map(|tags| tags.current.clone())
                .unwrap_or_default(),
            volumes: volumes.map(|volume| VolumeView::of(region, volume)).collect(),
            vpc: interface.map(|interface| interface.vpc.clone()),
            subnet: interface.map(|interface| interface.subnet.clone()),
            security_groups: instance.groups.clone(),
            key_name: instance.key_name.clone(),
            user_data: instance.user_data.as_deref().and_then(from_base64),
            protected: instance.protected,
            spot: instance.spot.is_some(),
            http_tokens: instance.metadata.tokens.clone(),
            sees_tags: instance.sees_tags(),
            shutdown_behaviour: instance.on_shutdown.clone(),
            public_ip: interface.and_then(|interface| interface.public_ip.clone()),
            private_ip: interface.map(|interface| interface.private_ip.clone()),
            client_token: instance.client_token.clone(),
            reservation: instance.reservation.clone(),
            launch_index: instance.launch_index,
            created: instance.created,
            launched: instance.launched,
        }
    }
}

/// A volume.
#[derive(Clone, Debug)]
pub struct VolumeView {
    /// `vol-…`
    pub id: String,
    /// The region that it is in.
    pub region: String,
    /// The availability zone.
    pub zone: String,
    /// `in-use` or `available`.
    pub state: &'static str,
    /// The size in GiB.
    pub size_gib: i64,
    /// `gp3` and the like.
    pub volume_type: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// All tags, without any lag.
    pub tags: BTreeMap<String, String>,
    /// Of an attached one.
    pub instance: Option<String>,
    /// The device name, of an attached one.
    pub device: Option<String>,
    /// Whether it is deleted with its instance, of an attached one.
    pub delete_on_termination: Option<bool>,
}

impl VolumeView {
    pub(super) fn of(region: &Region, volume: &Volume) -> Self {
        let attachment = volume.attachment.as_ref();
        Self {
            id: volume.id.clone(),
            region: region.info.name.to_owned(),
            zone: volume.zone.clone(),
            state: volume.state(),
            size_gib: volume.size_gib,
            volume_type: volume.kind.clone(),
            encrypted: volume.encrypted,
            tags: region
                .tags
                .get(&volume.id)
                .map(|tags| tags.current.clone())
                .unwrap_or_default(),
            instance: attachment.map(|attachment| attachment.instance.clone()),
            device: attachment.map(|attachment| attachment.device.clone()),
            delete_on_termination: attachment.map(|attachment| attachment.delete_on_termination),
        }
    }
}
