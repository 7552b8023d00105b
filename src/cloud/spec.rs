//! What an instance shall be, as it was asked for: nothing is resolved, and what was not said is `None`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{InstanceName, Labels, Place, Secret};

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
    /// The name, which is the idempotency key.
    pub name: InstanceName,
    /// Where it goes.
    pub place: Place,
    /// Machine type in the cloud's own word; `None` is a small general-purpose one.
    pub machine_type: Option<String>,
    /// Image alias, or the cloud's own id; `None` is the default alias.
    pub image: Option<String>,
    /// Boot disk in GiB; `None` is the image's own size.
    pub disk_gib: Option<u32>,
    /// Type of the boot disk in the cloud's own word; `None` is the cloud's general-purpose SSD.
    pub disk_type: Option<String>,
    /// Public key to log in with.
    pub ssh_key: Option<SshKey>,
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
    pub fn plain(name: InstanceName, place: Place) -> Self {
        Self {
            name,
            place,
            machine_type: None,
            image: None,
            disk_gib: None,
            disk_type: None,
            ssh_key: None,
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
}
