//! The spec of an instance to create, the preview of what it resolves to, and the wrapper for secret values.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::{
    Architecture, Gpu, GroupMembers, IngressRule, InstanceName, Labels, Location, MachineRequirements, ProviderKind,
    Result,
};

/// A public key for the image's login user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshKey {
    /// The name of a key that the cloud already has (EC2 key pair).
    Name(String),
    /// A public key in OpenSSH's one-line form.
    PublicKey(String),
}

/// The spec of an instance, or of a group, to create: the user's request, with `None` for what the user did not set. A
/// driver honours every field, or refuses it as `Unsupported` before any call that changes something.
#[derive(Clone, Debug)]
pub struct InstanceSpec {
    /// The name, which is the idempotency key. With `members` it is the name of the group.
    pub name: InstanceName,
    /// The members of the group to create; `None` is one instance with the name itself.
    pub members: Option<GroupMembers>,
    /// The location to create it in.
    pub location: Location,
    /// Machine type in the cloud's own word; `None` is a small general-purpose one.
    pub machine_type: Option<String>,
    /// What the machine must have at least. A machine type that is set must meet it too.
    pub requirements: MachineRequirements,
    /// The machine type that cloudctl selected: for the requirements, or because the requested one has no capacity. Like
    /// the location it is no part of the user's request, and of the fingerprint.
    pub selected_machine_type: Option<String>,
    /// Whether the selected type replaces one that had no capacity in this region.
    pub is_alternative: bool,
    /// Image alias, or the cloud's own id; `None` is the default alias.
    pub image: Option<String>,
    /// Boot disk in GiB; `None` is the image's own size.
    pub disk_gib: Option<u32>,
    /// Type of the boot disk in the cloud's own word; `None` is the cloud's general-purpose SSD.
    pub disk_type: Option<String>,
    /// Public key to log in with.
    pub ssh_key: Option<SshKey>,
    /// The user's own public key in OpenSSH's one-line form, used if `ssh_key` is not set. It depends on the machine that
    /// cloudctl runs on, so it is no part of the request, and is left out if the cloud does not accept it.
    pub default_ssh_key: Option<String>,
    /// The ports to open.
    pub ingress_rules: Vec<IngressRule>,
    /// The user data, which cloud-init or a similar program of the image runs at first boot.
    pub user_data: Option<Secret<Vec<u8>>>,
    /// Network (Compute Engine) or VPC (EC2); `None` is the default one.
    pub network: Option<String>,
    /// Subnet; `None` is a default one of the network.
    pub subnet: Option<String>,
    /// Security groups (EC2) or network tags (Compute Engine).
    pub firewalls: Vec<String>,
    /// Whether it gets a public address.
    pub public_ip: bool,
    /// Instance profile (EC2) or service account (Compute Engine) that the instance acts as.
    pub identity: Option<String>,
    /// The user's labels.
    pub labels: Labels,
    /// Whether to create a spot instance, on spare capacity that the cloud can take back.
    pub spot: bool,
    /// Whether to protect it against termination.
    pub protected: bool,
    /// How long it may live, counted from its creation; `None` is until it is terminated.
    pub ttl: Option<Duration>,
    /// The digest of the command that it is created to run; `None` for any other instance. It is no part of the fingerprint,
    /// and compared for itself.
    pub run_id: Option<String>,
    /// The provider's own options. The driver parses them and refuses unknown keys.
    pub native: BTreeMap<String, Value>,
}

impl InstanceSpec {
    /// Creates a spec with nothing but the name and the location.
    pub fn new(name: InstanceName, location: Location) -> Self {
        Self {
            name,
            location,
            members: None,
            machine_type: None,
            requirements: MachineRequirements::default(),
            selected_machine_type: None,
            is_alternative: false,
            image: None,
            disk_gib: None,
            disk_type: None,
            ssh_key: None,
            default_ssh_key: None,
            ingress_rules: Vec::new(),
            user_data: None,
            network: None,
            subnet: None,
            firewalls: Vec::new(),
            public_ip: true,
            identity: None,
            labels: Labels::new(),
            spot: false,
            protected: false,
            ttl: None,
            run_id: None,
            native: BTreeMap::new(),
        }
    }

    /// The machine type to use: the selected one, else the requested one.
    pub fn machine_type_to_use(&self) -> Option<&str> {
        self.selected_machine_type.as_deref().or(self.machine_type.as_deref())
    }

    /// The names of all instances to create: its own, or those of the members.
    ///
    /// # Errors
    /// `InvalidSpec` if a member's name is too long.
    pub fn instance_names(&self) -> Result<Vec<InstanceName>> {
        match &self.members {
            Some(members) => members.names(&self.name),
            None => Ok(vec![self.name.clone()]),
        }
    }
}

/// A value that no log, error or debug output can show: user data, tokens and the like.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value. Check every use of this in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// The preview that `create --dry-run` shows: the resolved spec of an instance that was not created.
#[derive(Clone, Debug)]
pub struct LaunchPreview {
    /// The cloud.
    pub provider: ProviderKind,
    /// The instance's name.
    pub name: InstanceName,
    /// The location it would be created in; the zone is `None` if the cloud picks it.
    pub location: Location,
    /// Machine type, in the cloud's own word.
    pub machine_type: String,
    /// Virtual CPUs; `None` where the cloud does not say.
    pub cpus: Option<u32>,
    /// Memory in GiB; `None` where the cloud does not say.
    pub memory_gib: Option<f64>,
    /// Its GPUs: those of the machine type, or those to attach.
    pub gpu: Option<Gpu>,
    /// Its instruction set.
    pub architecture: Option<Architecture>,
    /// The image in the cloud's own word: an id on EC2, a path on Compute Engine.
    pub image: String,
    /// The image's name, if the cloud gave one.
    pub image_name: Option<String>,
    /// Boot disk in GiB; `None` is the image's own size.
    pub disk_gib: Option<u32>,
    /// Type of the boot disk, in the cloud's own word.
    pub disk_type: String,
    /// Whether it would be a spot instance.
    pub spot: bool,
    /// USD per hour for the machine, without disk and traffic; `None` is unknown, never free.
    pub price_usd_per_hour: Option<f64>,
    /// How long it may live.
    pub ttl: Option<Duration>,
}

impl LaunchPreview {
    /// The cost in USD until the TTL is over, without disk and traffic; `None` without a TTL or a known price.
    pub fn cost_for_ttl(&self) -> Option<f64> {
        Some(cost_for(self.price_usd_per_hour?, self.ttl?))
    }
}

/// The cost in USD of a time, rounded to hundredths of a cent.
pub fn cost_for(usd_per_hour: f64, time: Duration) -> f64 {
    let cost = usd_per_hour * time.as_secs_f64() / 3_600.0;
    (cost * 10_000.0).round() / 10_000.0
}
