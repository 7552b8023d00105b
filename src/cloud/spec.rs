//! What an instance shall be, as it was asked for: nothing is resolved, and what was not said is `None`.
//! A value that no log, error or debug print can show.
//! What a create would make, once every default is filled in and every alias resolved.

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

/// One instance to make. A driver honours every field or refuses it as `Unsupported` before any call that
/// changes something.
#[derive(Clone, Debug)]
pub struct InstanceSpec {
    /// The name, which is the idempotency key; that of the group where there are `members`.
    pub name: InstanceName,
    /// The members of the group to make; `None` is one instance of the name itself.
    pub members: Option<GroupMembers>,
    /// Where it goes.
    pub location: Location,
    /// Machine type in the cloud's own word; `None` is a small general-purpose one.
    pub machine_type: Option<String>,
    /// What the machine must have at least. With a machine type it is what that type must have.
    pub requirements: MachineRequirements,
    /// The machine type that was picked for the need, or in place of the asked one where that has no room. Like the
    /// place it is where an instance goes and no part of what was asked for.
    pub selected_machine_type: Option<String>,
    /// Whether the chosen type stands in for one that had no room in this region.
    pub is_alternative: bool,
    /// Image alias, or the cloud's own id; `None` is the default alias.
    pub image: Option<String>,
    /// Boot disk in GiB; `None` is the image's own size.
    pub disk_gib: Option<u32>,
    /// Type of the boot disk in the cloud's own word; `None` is the cloud's general-purpose SSD.
    pub disk_type: Option<String>,
    /// Public key to log in with.
    pub ssh_key: Option<SshKey>,
    /// The user's own public key in OpenSSH's one-line form, for when `ssh_key` says nothing. It hangs on the machine
    /// that cloudctl runs on, so it is no part of what was asked for, and is left out where the cloud will not have it.
    pub default_ssh_key: Option<String>,
    /// Ports that are opened to it.
    pub ingress_rules: Vec<IngressRule>,
    /// What the image's cloud-init (or its like) runs at first boot.
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
    /// Whether it runs on spare capacity that the cloud can take back.
    pub spot: bool,
    /// Whether it is protected against termination.
    pub protected: bool,
    /// How long it may live, counted from its creation; `None` is until it is terminated.
    pub ttl: Option<Duration>,
    /// The provider's own options; the driver reads them into its `options` type and refuses unknown keys.
    pub native: BTreeMap<String, Value>,
}

impl InstanceSpec {
    /// A spec of which nothing is said but the name and the place.
    pub fn new(name: InstanceName, place: Location) -> Self {
        Self {
            name,
            location: place,
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
            native: BTreeMap::new(),
        }
    }
    /// The machine type that it goes on, where one is picked or named.
    pub fn machine_type_to_use(&self) -> Option<&str> {
        self.selected_machine_type.as_deref().or(self.machine_type.as_deref())
    }

    /// The names of all that it makes: its own, or those of the members.
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

/// Holds user data, tokens and the like. Printing one prints its length at most.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value out. Every use of this is a place to look at in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// The answer to `create --dry-run`: nothing was made.
#[derive(Clone, Debug)]
pub struct LaunchPreview {
    /// The cloud.
    pub provider: ProviderKind,
    /// The instance's name.
    pub name: InstanceName,
    /// Where it would go; the zone is `None` where the cloud picks it.
    pub location: Location,
    /// Machine type, in the cloud's own word.
    pub machine_type: String,
    /// Virtual CPUs; `None` where the cloud does not say.
    pub cpus: Option<u32>,
    /// Memory in GiB; `None` where the cloud does not say.
    pub memory_gib: Option<f64>,
    /// Its accelerators, and those attached to it.
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
    /// Whether it would run on spare capacity.
    pub spot: bool,
    /// USD per hour for the machine, without disk and traffic; `None` is unknown, never free.
    pub price_usd_per_hour: Option<f64>,
    /// How long it may live.
    pub ttl: Option<Duration>,
}

impl LaunchPreview {
    /// What it would cost in USD until its time is over, without disk and traffic, in hundredths of a cent; `None` without
    /// a TTL or a known price.
    pub fn cost_for_ttl(&self) -> Option<f64> {
        let cost = self.price_usd_per_hour? * self.ttl?.as_secs_f64() / 3_600.0;
        Some((cost * 10_000.0).round() / 10_000.0)
    }
}
