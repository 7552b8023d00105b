//! The content of the mock cloud's file: the instances and their addresses, as JSON that a person can read and edit.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::catalog;
use super::instance_phase::Phase;
use crate::cloud::{
    Error, ErrorKind, ExpiryEnforcer, Instance, InstanceRef, InstanceSetup, InstanceState, LABEL_TTL, Labels,
    NativeName, Ownership, ProviderKind, RESERVED_PREFIX, Result, SetupValue, format_duration, key_fingerprint,
};

pub(super) const ACCOUNT: &str = "mock";
/// The version of the file that this cloudctl reads and writes.
pub(super) const SCHEMA: &str = "cloudctl-mock/1";

/// The whole cloud.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// [`SCHEMA`].
    pub(super) schema: String,
    /// How many pairs of addresses were assigned.
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

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredInstance {
    /// The id: `m-` and 16 hexadecimal digits.
    pub(super) id: String,
    pub(super) name: String,
    /// The token of the call that created it.
    pub(super) token: String,
    pub(super) region: String,
    pub(super) zone: String,
    pub(super) machine_type: String,
    pub(super) image: String,
    pub(super) disk_gib: u32,
    pub(super) disk_type: String,
    pub(super) network: String,
    pub(super) subnet: String,
    pub(super) firewalls: Vec<String>,
    /// The open ports. Files of versions without ingress rules lack them.
    #[serde(rename = "openings", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ingress_rules: Vec<String>,
    pub(super) identity: Option<String>,
    /// The key to log in with: a name, or a public key.
    pub(super) ssh_key: Option<String>,
    /// The size of its user data in bytes. The data may be secret and is not stored.
    pub(super) user_data_bytes: Option<usize>,
    /// Whether it is a spot instance.
    pub(super) spot: bool,
    /// Whether it is protected against termination.
    pub(super) protected: bool,
    /// All labels. Without the management labels it is not managed.
    pub(super) labels: Labels,
    /// The public address that it has while it runs.
    pub(super) public_ip: Option<String>,
    pub(super) private_ip: String,
    pub(super) created_at: Timestamp,
    /// When it last started to boot.
    pub(super) booted_at: Timestamp,
    /// When the mock terminates it, if it has a TTL: also while it is stopped, and also if it is protected, because
    /// protection refuses only requests, as on EC2:
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html>. Files of
    /// versions without expiry lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends_at: Option<Timestamp>,
    /// Its last change. [`StoredInstance::phase_at`] computes the phase at a time.
    pub(super) phase: Phase,
}

/// Computes when an instance expires by its TTL.
pub(super) fn expiry_time(created_at: Timestamp, ttl: Duration) -> Result<Timestamp> {
    SignedDuration::try_from(ttl)
        .and_then(|ttl| created_at.checked_add(ttl))
        .map_err(|_| Error::invalid("the TTL is too long").with_hint("give less time, such as 30d"))
}

impl StoredInstance {
    pub(super) fn reference(&self) -> InstanceRef {
        Instance::with_id_only(ProviderKind::Mock, self.region.clone(), self.id.clone()).reference
    }

    /// Returns its phase: its last change, or its expiry if that has come since.
    pub(super) fn phase_at(&self, now: Timestamp) -> Cow<'_, Phase> {
        match self.ends_at.filter(|end| *end <= now) {
            Some(end) if !self.phase.ended_before(end) => Cow::Owned(Phase::Expired { at: end }),
            _ => Cow::Borrowed(&self.phase),
        }
    }

    /// Says whether the cloud still lists it.
    pub(super) fn is_listed(&self, now: Timestamp) -> bool {
        self.phase_at(now).is_listed(now)
    }

    /// Says whether a ref means this instance and the cloud still lists it.
    fn matches(&self, target: &InstanceRef, now: Timestamp) -> bool {
        self.id == target.id && self.region == target.scope && self.is_listed(now)
    }

    /// Sets its TTL, which counts from its creation.
    pub(super) fn set_ttl(&mut self, ttl: Duration) -> Result<()> {
        self.ends_at = Some(expiry_time(self.created_at, ttl)?);
        self.labels.insert(LABEL_TTL.to_owned(), format_duration(ttl));
        Ok(())
    }

    /// Says whether cloudctl created it.
    pub(super) fn is_managed(&self) -> bool {
        self.ownership().managed
    }

    fn ownership(&self) -> Ownership {
        Ownership::from_labels(&self.labels, NativeName::Tag(None))
    }

    /// Returns the settings of the instance by the flags of `create`.
    fn setup(&self) -> InstanceSetup {
        let key_label = self
            .ssh_key
            .as_ref()
            .map(|key| key_fingerprint(key).unwrap_or_else(|| key.clone()));
        InstanceSetup::from([
            ("ssh-key", key_label.into_iter().map(SetupValue::new).collect()),
            ("disk", vec![SetupValue::new(format!("{} GiB", self.disk_gib))]),
            ("disk-type", vec![SetupValue::new(&self.disk_type)]),
            ("network", vec![SetupValue::new(&self.network)]),
            ("subnet", vec![SetupValue::new(&self.subnet)]),
            ("firewall", self.firewalls.iter().map(SetupValue::new).collect()),
        ])
    }

    /// Converts the instance as it is at this time.
    pub(super) fn to_instance(&self, now: Timestamp) -> Instance {
        let phase = self.phase_at(now);
        let state = phase.state(now);
        let ownership = self.ownership();
        let by_label = ownership.expires_at(Some(self.created_at));
        let machine = catalog::find_machine_type(&self.machine_type);
        let has_public_ip = matches!(state, InstanceState::Running | InstanceState::Stopping);
        Instance {
            account: Some(ACCOUNT.to_owned()),
            zone: Some(self.zone.clone()),
            name: Some(ownership.name.unwrap_or_else(|| self.name.clone())),
            state,
            native_state: state.as_str().to_owned(),
            machine_type: Some(self.machine_type.clone()),
            cpus: machine.map(|machine| machine.cpus),
            memory_gib: machine.map(|machine| machine.memory_gib),
            architecture: machine.map(|machine| machine.architecture),
            image: Some(self.image.clone()),
            spot: self.spot,
            public_ip: if has_public_ip { self.public_ip.clone() } else { None },
            private_ip: (state != InstanceState::Terminated).then(|| self.private_ip.clone()),
            labels: self
                .labels
                .iter()
                .filter(|(key, _)| !key.starts_with(RESERVED_PREFIX))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            management_label_count: self
                .labels
                .keys()
                .filter(|key| key.starts_with(RESERVED_PREFIX))
                .count(),
            created_at: Some(self.created_at),
            expires_at: self.ends_at.or(by_label),
            // Only a label that was set by hand has no `ends_at`; nothing enforces it.
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
            setup: self.setup(),
            generation: ownership.generation,
            run_id: ownership.run_id,
            state_reason: phase.reason(now).map(str::to_owned),
            failure: phase.has_ended_by_itself(now).then_some(ErrorKind::Capacity),
            native: json!({
                "disk_gib": self.disk_gib,
                "disk_type": self.disk_type,
                "network": self.network,
                "subnet": self.subnet,
                "firewalls": self.firewalls,
                "openings": self.ingress_rules,
                "identity": self.identity,
                "ssh_key": self.ssh_key,
                "user_data_bytes": self.user_data_bytes,
                "gpus": machine.map(|machine| machine.gpus),
            }),
            // Disks and ingress rules end with the instance.
            ..Instance::with_id_only(ProviderKind::Mock, self.region.clone(), self.id.clone())
        }
    }
}

impl State {
    /// Finds the instance of a ref, if the cloud still lists it.
    pub(super) fn find(&self, target: &InstanceRef, now: Timestamp) -> Option<&StoredInstance> {
        self.instances.iter().find(|stored| stored.matches(target, now))
    }

    /// Finds the instance of a ref to change it.
    pub(super) fn find_mut(&mut self, target: &InstanceRef, now: Timestamp) -> Option<&mut StoredInstance> {
        self.instances.iter_mut().find(|stored| stored.matches(target, now))
    }

    /// Removes the instances that the cloud no longer lists.
    pub(super) fn remove_unlisted(&mut self, now: Timestamp) {
        self.instances.retain(|stored| stored.is_listed(now));
    }

    /// Returns an id that no instance has.
    pub(super) fn new_id(&self) -> String {
        loop {
            let id = format!("m-{:016x}", fastrand::u64(..));
            if self.instances.iter().all(|stored| stored.id != id) {
                return id;
            }
        }
    }

    /// Takes the number of the next pair of addresses.
    pub(super) fn take_address_number(&mut self) -> u32 {
        let number = self.addresses;
        self.addresses = self.addresses.wrapping_add(1);
        number
    }
}

/// Returns a public address that no real server has: first from the ranges for documentation, then from the one for
/// benchmarks. <https://www.rfc-editor.org/rfc/rfc5737> <https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2>
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

pub(super) fn private_address(number: u32) -> String {
    format!(
        "10.{}.{}.{}",
        number / 62_500 % 256,
        number / 250 % 250,
        number % 250 + 4
    )
}
