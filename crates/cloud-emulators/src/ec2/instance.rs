//! One instance, and what changes as it moves from phase to phase.

use std::sync::Arc;

use jiff::Timestamp;

use super::console::Console;
use super::encoding::hash;
use super::images::Image;
use super::instance_types::InstanceType;
use super::region_state::Region;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl Phase {
    pub fn code(self) -> u32 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// Going, or gone.
    pub fn is_over(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataOptions {
    pub tokens: String,
    pub hop_limit: i64,
    pub endpoint: String,
    pub ipv6: String,
    pub tags: String,
}

impl MetadataOptions {
    /// What holds if nobody asks for anything, neither the request nor the image.
    pub fn plain() -> Self {
        Self {
            tokens: "optional".to_owned(),
            hop_limit: 1,
            endpoint: "enabled".to_owned(),
            ipv6: "disabled".to_owned(),
            tags: "disabled".to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub id: String,
    pub subnet: String,
    pub vpc: String,
    pub description: String,
    pub private_ip: String,
    /// Whether a public address is handed out at each start.
    pub wants_public_ip: bool,
    pub public_ip: Option<String>,
    /// The public address that a test gave to this instance alone; it has it in every run.
    pub fixed_public_ip: Option<String>,
    pub delete_on_termination: bool,
    /// The first launch; a later start does not move it.
    pub attached: Timestamp,
}

impl Interface {
    pub fn mac(&self) -> String {
        let bytes = hash(&self.id).to_be_bytes();
        let [a, b, c, d, e, ..] = bytes;
        format!("0a:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
    }
}

#[derive(Clone, Debug)]
pub struct Disk {
    pub device: String,
    pub volume: String,
    pub delete_on_termination: bool,
    pub attached: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Spot {
    pub request: String,
    pub persistent: bool,
}

#[derive(Clone, Debug)]
pub struct Reason {
    pub code: String,
    pub message: String,
    /// The older, separate text; empty except after a user's doing.
    pub transition: String,
}

#[derive(Clone, Debug)]
pub struct Instance {
    pub serial: u64,
    pub id: String,
    pub reservation: String,
    pub launch_index: usize,
    pub zone: String,
    pub kind: &'static InstanceType,
    pub image: Arc<Image>,
    pub key_name: Option<String>,
    pub groups: Vec<String>,
    /// Base64, as it came.
    pub user_data: Option<String>,
    pub profile: Option<String>,
    pub metadata: MetadataOptions,
    /// `stop` or `terminate`.
    pub on_shutdown: String,
    pub protected: bool,
    pub stop_protected: bool,
    pub source_dest_check: bool,
    pub ebs_optimized: bool,
    pub monitored: bool,
    pub spot: Option<Spot>,
    pub client_token: Option<String>,
    /// Absent once terminated, like the disks.
    pub interface: Option<Interface>,
    pub disks: Vec<Disk>,
    pub phase: Phase,
    pub reason: Option<Reason>,
    pub created: Timestamp,
    pub launched: Timestamp,
    /// Counts the changes of phase, so that one that was overtaken is not carried out.
    pub epoch: u64,
    /// Never leaves `shutting-down`.
    pub keeps_shutting_down: bool,
    /// The state reason with which it will fail instead of running.
    pub launch_failure: Option<(String, String)>,
    pub console: Console,
    pub running_since: Option<Timestamp>,
}

impl Instance {
    /// Whether its metadata has its tags.
    pub fn sees_tags(&self) -> bool {
        self.metadata.tags == "enabled"
    }

    /// Where a test can see the phase right after asking for another one.
    pub fn begin(&mut self, phase: Phase, reason: Option<Reason>) {
        self.epoch += 1;
        self.phase = phase;
        self.reason = reason;
    }
}

impl Region {
    /// Completes a change of phase.
    pub fn enter(&mut self, serial: u64, phase: Phase) {
        let Some(instance) = self.instances.get_mut(&serial) else {
            return;
        };
        instance.epoch += 1;
        match phase {
            Phase::Running => {
                if let Some((code, message)) = instance.launch_failure.take() {
                    instance.reason = Some(Reason {
                        message: format!("{code}: {message}"),
                        transition: code.clone(),
                        code,
                    });
                    return self.enter(serial, Phase::Terminated);
                }
                instance.reason = None;
                instance.running_since = Some(instance.launched);
                if let Some(interface) = &mut instance.interface {
                    if interface.fixed_public_ip.is_some() {
                        interface.public_ip = interface.fixed_public_ip.clone();
                    } else if interface.wants_public_ip {
                        let [a, b, c, ..] = hash((&instance.id, instance.epoch)).to_be_bytes();
                        let address = self.public_address.clone();
                        interface.public_ip = Some(address.unwrap_or_else(|| format!("54.{a}.{b}.{c}")));
                    }
                }
            }
            Phase::Stopped => {
                instance.running_since = None;
                if let Some(interface) = &mut instance.interface {
                    interface.public_ip = None;
                }
            }
            Phase::Terminated => {
                instance.running_since = None;
                instance.groups.clear();
                if let Some(interface) = instance.interface.take() {
                    self.tags.remove(&interface.id);
                    if let Some(subnet) = self.subnets.get_mut(&interface.subnet) {
                        subnet.free += 1;
                    }
                }
                for disk in std::mem::take(&mut instance.disks) {
                    if disk.delete_on_termination {
                        self.volumes.remove(&disk.volume);
                        self.tags.remove(&disk.volume);
                    } else if let Some(volume) = self.volumes.get_mut(&disk.volume) {
                        volume.attachment = None;
                    }
                }
            }
            Phase::Pending | Phase::ShuttingDown | Phase::Stopping => {}
        }
        if let Some(instance) = self.instances.get_mut(&serial) {
            instance.phase = phase;
        }
    }
}
