//! What the mock cloud's file holds: the instances, as JSON that a person can read, and edit to make a case.
//! The addresses that instances get.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::catalog;
use super::phase::Phase;
use crate::cloud::{
    Error, ErrorKind, ExpiryEnforcer, Instance, InstanceRef, InstanceState, LABEL_TTL, Labels, NativeName, Ownership,
    ProviderKind, RESERVED_PREFIX, Result, format_duration, key_fingerprint,
};

/// The account that everything is in.
pub(super) const ACCOUNT: &str = "mock";
/// The version of the file that this cloudctl reads and writes.
pub(super) const SCHEMA: &str = "cloudctl-mock/1";

/// The whole cloud.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// [`SCHEMA`].
    pub(super) schema: String,
    /// How many addresses were handed out.
    pub(super) addresses: u32,
    /// The instances, oldest first.
    pub(super) instances: Vec<StoredInstance>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            addresses: 0,
            instances: Vec::new(),
        }
    }
}

/// One instance.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredInstance {
    /// Its id, `m-` and 16 hexadecimal digits.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// The token of the call that made it.
    pub(super) token: String,
    /// The region it is in.
    pub(super) region: String,
    /// The zone it is in.
    pub(super) zone: String,
    /// Machine type.
    pub(super) machine_type: String,
    /// Id of its image.
    pub(super) image: String,
    /// Boot disk in GiB.
    pub(super) disk_gib: u32,
    /// Type of the boot disk.
    pub(super) disk_type: String,
    /// Network.
    pub(super) network: String,
    /// Subnet.
    pub(super) subnet: String,
    /// Firewalls.
    pub(super) firewalls: Vec<String>,
    /// The ports that are open to it. Files of before they could be asked for have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) openings: Vec<String>,
    /// What it acts as.
    pub(super) identity: Option<String>,
    /// The key to log in with: a name, or a public key.
    pub(super) ssh_key: Option<String>,
    /// How long its user data is, in bytes. The data itself may be secret and is not kept.
    pub(super) user_data_bytes: Option<usize>,
    /// Whether it runs on spare capacity.
    pub(super) spot: bool,
    /// Whether it is protected against termination.
    pub(super) protected: bool,
    /// All labels, cloudctl's own among them. Without those it is somebody else's.
    pub(super) labels: Labels,
    /// Public address, if it has one while it runs.
    pub(super) public_ip: Option<String>,
    /// Private address.
    pub(super) private_ip: String,
    /// When it was made.
    pub(super) created_at: Timestamp,
    /// When it last began to boot.
    pub(super) booted_at: Timestamp,
    /// When the cloud ends it, if it was given a time: also while it is stopped, and also if it is protected, which is
    /// against requests alone, as on EC2:
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html>.
    /// Files of before there were such ends have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends_at: Option<Timestamp>,
    /// Its last change; [`StoredInstance::phase_at`] is where it is in its life.
    pub(super) phase: Phase,
}

/// When an instance that was made at `created_at` ends by its TTL.
///
/// # Errors
/// `InvalidSpec` if there is no such time.
pub(super) fn end_of(created_at: Timestamp, ttl: Duration) -> Result<Timestamp> {
    SignedDuration::try_from(ttl)
        .and_then(|ttl| created_at.checked_add(ttl))
        .map_err(|_| Error::invalid("that is more time than there is").with_hint("give less time, such as 30d"))
}

impl StoredInstance {
    /// Its full name.
    pub(super) fn reference(&self) -> InstanceRef {
        InstanceRef {
            provider: ProviderKind::Mock,
            scope: self.region.clone(),
            id: self.id.clone(),
            zone: None,
            native_name: None,
        }
    }

    /// Where it is in its life: its last change, or its end if that has come since.
    pub(super) fn phase_at(&self, now: Timestamp) -> Cow<'_, Phase> {
        match self.ends_at.filter(|end| *end <= now) {
            Some(end) if !self.phase.ended_before(end) => Cow::Owned(Phase::Expired { at: end }),
            _ => Cow::Borrowed(&self.phase),
        }
    }

    /// Whether the cloud still lists it.
    pub(super) fn is_listed(&self, now: Timestamp) -> bool {
        self.phase_at(now).is_listed(now)
    }

    /// Whether it is the one that is meant, and the cloud still lists it.
    fn is(&self, target: &InstanceRef, now: Timestamp) -> bool {
        self.id == target.id && self.region == target.scope && self.is_listed(now)
    }

    /// Sets how long it may live, counted from its creation.
    ///
    /// # Errors
    /// As [`end_of`].
    pub(super) fn set_ttl(&mut self, ttl: Duration) -> Result<()> {
        self.ends_at = Some(end_of(self.created_at, ttl)?);
        self.labels.insert(LABEL_TTL.to_owned(), format_duration(ttl));
        Ok(())
    }

    /// Whether cloudctl made it.
    pub(super) fn is_managed(&self) -> bool {
        self.ownership().managed
    }

    /// What cloudctl's own labels say of it.
    fn ownership(&self) -> Ownership {
        Ownership::from_labels(&self.labels, NativeName::Tag(None))
    }

    /// What it was set up with, in the words of `create`'s flags.
    fn setup(&self) -> BTreeMap<&'static str, Vec<Vec<String>>> {
        let one = |word: &String| vec![vec![word.clone()]];
        let key = self.ssh_key.as_ref();
        let key = key.map(|key| key_fingerprint(key).unwrap_or_else(|| key.clone()));
        BTreeMap::from([
            ("ssh-key", key.iter().flat_map(one).collect()),
            ("disk", one(&format!("{} GiB", self.disk_gib))),
            ("disk-type", one(&self.disk_type)),
            ("network", one(&self.network)),
            ("subnet", one(&self.subnet)),
            (
                "firewall",
                self.firewalls.iter().map(|word| vec![word.clone()]).collect(),
            ),
        ])
    }

    /// The instance as the contract has it, at this time.
    pub(super) fn instance(&self, now: Timestamp) -> Instance {
        let phase = self.phase_at(now);
        let state = phase.state(now);
        let ownership = self.ownership();
        let by_label = ownership.expires_at(Some(self.created_at));
        let machine = catalog::known_machine_type(&self.machine_type);
        let has_public_ip = matches!(state, InstanceState::Running | InstanceState::Stopping);
        Instance {
            provider: ProviderKind::Mock,
            account: Some(ACCOUNT.to_owned()),
            region: self.region.clone(),
            zone: Some(self.zone.clone()),
            reference: self.reference(),
            name: Some(ownership.name.unwrap_or_else(|| self.name.clone())),
            name_label: None,
            state,
            native_state: state.as_str().to_owned(),
            machine_type: Some(self.machine_type.clone()),
            cpus: machine.map(|machine| machine.cpus),
            memory_gib: machine.map(|machine| machine.memory_gib),
            architecture: machine.map(|machine| machine.architecture),
            image: Some(self.image.clone()),
            spot: self.spot,
            public_ip: self.public_ip.clone().filter(|_| has_public_ip),
            private_ip: (state != InstanceState::Terminated).then(|| self.private_ip.clone()),
            labels: self
                .labels
                .iter()
                .filter(|(key, _)| !key.starts_with(RESERVED_PREFIX))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            created_at: Some(self.created_at),
            expires_at: self.ends_at.or(by_label),
            // A label that somebody put on by hand ends nothing.
            expiry_enforcer: match self.ends_at {
                Some(_) => Some(ExpiryEnforcer::Cloud),
                None => by_label.map(|_| ExpiryEnforcer::Tag),
            },
            managed: ownership.managed,
            protected: Some(self.protected),
            price_usd_per_hour: machine.map(|machine| machine.price(self.spot)),
            spec_fingerprint: ownership.spec_fingerprint,
            ttl: ownership.ttl,
            label_problem: ownership.label_problem,
            disks: Vec::new(),
            // They go with it.
            ingress_rules: Vec::new(),
            attached_gpu: None,
            has_other_price: false,
            setup: self.setup(),
            generation: ownership.generation,
            state_reason: phase.reason(now).map(str::to_owned),
            failure: phase.died(now).then_some(ErrorKind::Capacity),
            native: json!({
                "disk_gib": self.disk_gib,
                "disk_type": self.disk_type,
                "network": self.network,
                "subnet": self.subnet,
                "firewalls": self.firewalls,
                "openings": self.openings,
                "identity": self.identity,
                "ssh_key": self.ssh_key,
                "user_data_bytes": self.user_data_bytes,
                "gpus": machine.map(|machine| machine.gpus),
            }),
        }
    }
}

impl State {
    /// The instance of this reference, if the cloud still lists it.
    pub(super) fn find(&self, target: &InstanceRef, now: Timestamp) -> Option<&StoredInstance> {
        self.instances.iter().find(|record| record.is(target, now))
    }

    /// The same, to change it.
    pub(super) fn find_mut(&mut self, target: &InstanceRef, now: Timestamp) -> Option<&mut StoredInstance> {
        self.instances.iter_mut().find(|record| record.is(target, now))
    }

    /// Drops what the cloud no longer lists.
    pub(super) fn forget_gone(&mut self, now: Timestamp) {
        self.instances.retain(|record| record.is_listed(now));
    }

    /// An id that no instance has.
    pub(super) fn fresh_id(&self) -> String {
        loop {
            let id = format!("m-{:016x}", fastrand::u64(..));
            if self.instances.iter().all(|record| record.id != id) {
                return id;
            }
        }
    }

    /// The number of the next pair of addresses.
    pub(super) fn next_address(&mut self) -> u32 {
        let number = self.addresses;
        self.addresses = self.addresses.wrapping_add(1);
        number
    }
}

/// A public address that nobody has: first from the ranges for documentation, then from the one for benchmarks.
/// <https://www.rfc-editor.org/rfc/rfc5737> <https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2>
pub(super) fn public_address(number: u32) -> String {
    const HOSTS: u32 = 254;
    let host = number % HOSTS + 1;
    match number / HOSTS {
        0 => format!("203.0.113.{host}"),
        1 => format!("198.51.100.{host}"),
        2 => format!("192.0.2.{host}"),
        net => format!("198.{}.{}.{host}", 18 + net / 256 % 2, net % 256),
    }
}

/// A private address.
pub(super) fn private_address(number: u32) -> String {
    format!(
        "10.{}.{}.{}",
        number / 62_500 % 256,
        number / 250 % 250,
        number % 250 + 4
    )
}
