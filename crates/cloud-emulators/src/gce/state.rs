//! What the emulated cloud holds, its clock, and the schedule of what happens next.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::disks::Disk;
use super::firewalls::Firewall;
use super::instance_record::Instance;
use super::networks::Networks;
use super::operations::{Operation, Remembered};
use super::state_changes::Event;
use super::test_controls::Controls;

/// The name of a zonal resource, or with no zone of a global one. The order of the fields makes a zone's rows neighbours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub project: String,
    pub zone: String,
    pub name: String,
}

impl Key {
    pub fn new(project: &str, zone: &str, name: &str) -> Self {
        Self {
            project: project.to_owned(),
            zone: zone.to_owned(),
            name: name.to_owned(),
        }
    }

    /// `projects/p/zones/z/instances/n`, for the collection `instances`.
    pub fn path(&self, collection: &str) -> String {
        let Self { project, zone, name } = self;
        match zone.as_str() {
            "" => format!("projects/{project}/global/{collection}/{name}"),
            zone => format!("projects/{project}/zones/{zone}/{collection}/{name}"),
        }
    }

    /// The same as a URL.
    pub fn link(&self, collection: &str) -> String {
        super::link(&self.path(collection))
    }
}

/// How long things take, by the emulator's clock.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// An operation stays PENDING so long.
    pub queue: Duration,
    /// PROVISIONING to STAGING.
    pub provision: Duration,
    /// STAGING to RUNNING.
    pub stage: Duration,
    /// STOPPING to TERMINATED.
    pub stop: Duration,
    /// RUNNING or TERMINATED to gone.
    pub delete: Duration,
    /// Everything that moves no VM: labels, metadata, reset, disks.
    pub change: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self::of(Duration::from_millis(200))
    }
}

impl Delays {
    /// Each transition takes about `total`.
    pub fn of(total: Duration) -> Self {
        Self {
            queue: total / 10,
            provision: total * 2 / 5,
            stage: total * 3 / 5,
            stop: total,
            delete: total,
            change: total / 4,
        }
    }
}

/// Everything behind the emulator's lock.
pub struct State {
    pub controls: Controls,
    pub instances: BTreeMap<Key, Instance>,
    pub disks: BTreeMap<Key, Disk>,
    pub operations: BTreeMap<Key, Operation>,
    pub remembered: HashMap<(String, String), Remembered>,
    pub networks: Networks,
    pub firewalls: BTreeMap<Key, Firewall>,
    /// Metadata that all VMs of a project share, by project.
    pub common_metadata: BTreeMap<String, BTreeMap<String, String>>,
    pub violations: Vec<String>,
    schedule: BTreeMap<(Timestamp, u64), Event>,
    /// How far the clock was moved ahead of real time.
    ahead: Duration,
    /// The time of the event at hand, while one is handled.
    moment: Option<Timestamp>,
    serial: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            controls: Controls::default(),
            instances: BTreeMap::new(),
            disks: BTreeMap::new(),
            operations: BTreeMap::new(),
            remembered: HashMap::new(),
            networks: Networks::default(),
            firewalls: BTreeMap::new(),
            common_metadata: BTreeMap::new(),
            violations: Vec::new(),
            schedule: BTreeMap::new(),
            ahead: Duration::ZERO,
            moment: None,
            serial: 0,
        }
    }
}

impl State {
    pub fn now(&self) -> Timestamp {
        self.moment.unwrap_or_else(|| Timestamp::now() + self.ahead)
    }

    pub fn advance(&mut self, by: Duration) {
        self.ahead += by;
        self.apply_due_events();
    }

    pub fn schedule_after(&mut self, delay: Duration, event: Event) {
        self.serial += 1;
        self.schedule.insert((self.now() + delay, self.serial), event);
    }

    /// Lets everything happen that is due, each thing at its own time: a VM may start, reach the end of
    /// its run and go, all in one large step of the clock.
    pub fn apply_due_events(&mut self) {
        let now = self.now();
        while let Some(entry) = self.schedule.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), event) = entry.remove_entry();
            self.moment = Some(at);
            self.apply_event(event);
        }
        self.moment = None;
    }

    /// When the next thing happens, seen from now.
    pub fn next_event_in(&self) -> Option<Duration> {
        let ((at, _), _) = self.schedule.first_key_value()?;
        Duration::try_from(at.duration_since(self.now())).ok()
    }

    /// A new 64-bit id: unique, not in order, and of the length that real ids have.
    pub fn fresh_id(&mut self) -> u64 {
        self.serial += 1;
        mix_bits(self.serial) >> 2 | 1 << 60
    }

    /// The zone's rows of a map such as `instances`.
    pub fn in_zone<'m, T>(
        map: &'m BTreeMap<Key, T>,
        project: &str,
        zone: &str,
        after: &str,
    ) -> impl Iterator<Item = (&'m Key, &'m T)> {
        let start = Key::new(project, zone, after);
        map.range(start.clone()..)
            .take_while(move |(key, _)| key.project == start.project && key.zone == start.zone)
    }
}

/// The finalizer of splitmix64.
pub fn mix_bits(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A time as the service writes it: in Pacific time, here without daylight saving, so that a client that
/// takes every offset for UTC is found out.
pub fn format_time(time: Timestamp) -> String {
    let pacific = jiff::tz::TimeZone::fixed(jiff::tz::offset(-8));
    time.to_zoned(pacific).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}
