//! The cloud's memory: what exists in each region, and the clock that moves it on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::encoding::identifier;
use super::instance::Phase;
use super::query_protocol::Node;
use super::region_state::Region;
use super::regions::REGIONS;

pub const ACCOUNT: &str = "123456789012";

/// How long a terminated instance stays visible.
const TERMINATED_IS_SHOWN_FOR: Duration = Duration::from_secs(3600);

/// What a handler works on: one request, and everything it may change.
pub struct Context<'a> {
    pub state: &'a mut State,
    pub action: &'a str,
    pub region: &'a str,
    pub query: &'a Node,
}

impl Context<'_> {
    /// The region of the request; the caller was checked against the known ones.
    pub fn region(&mut self) -> &mut Region {
        self.state.region(self.region)
    }
}

/// What a test can set to make the cloud less kind.
#[derive(Default)]
pub struct Controls {
    pub transition: Duration,
    pub lag: Duration,
    pub tag_lag: Duration,
    pub page_size: usize,
    pub empty_pages: bool,
    pub repeat_page_token: bool,
    pub refuse_page_tokens: usize,
    pub page_epoch: u64,
    /// Launches left in a zone or of a type; absent is no limit.
    pub capacity: BTreeMap<String, usize>,
    /// Of `zone/type`, in USD per hour.
    pub spot_prices: BTreeMap<String, f64>,
    /// How many launches find that somebody has just removed the unused groups whose names begin so.
    pub removed_groups: Option<(String, usize)>,
    /// Whether a token is spent by a launch that is refused for what it names.
    pub refusals_use_up_tokens: bool,
    pub vcpu_limit: Option<u32>,
    pub denied: BTreeSet<String>,
    pub credentials_expired: bool,
    pub return_terminated_for_old_token: bool,
    pub return_old_for_changed_launch: bool,
    pub forget_client_tokens: bool,
    /// The state reason of launches that shall fail while pending, and how many are left.
    pub launch_failure: Option<(String, String, usize)>,
    pub profiles: BTreeSet<String>,
    pub metadata_tags_by_default: bool,
    /// The host keys that a guest prints at its first boot; with none it prints no block of keys.
    pub boot_host_keys: Vec<String>,
    /// How long after its launch an instance has printed its boot.
    pub console_delay: Duration,
    /// How much later that can be read without `Latest`.
    pub console_snapshot_delay: Duration,
    /// What stands in the tags for bytes that are written as they are, and those.
    pub raw_values: Vec<(String, Vec<u8>)>,
}

pub struct State {
    pub regions: BTreeMap<&'static str, Region>,
    pub controls: Controls,
    /// How far the cloud's lifecycle clock is ahead of the machine's.
    pub advanced: Duration,
    /// How far the clock that signs and judges dates is off.
    pub date_offset: SignedDuration,
    counter: u64,
    /// How many requests were answered. Apart from `counter`, so that ids do not depend on how often a client reads.
    request_count: u64,
    due: BTreeMap<(Timestamp, u64), Event>,
}

/// A change of phase that is under way.
struct Event {
    region: &'static str,
    serial: u64,
    /// The instance's epoch when the change began; a later change makes this one void.
    epoch: u64,
    change: Change,
}

enum Change {
    To(Phase),
    Forget,
}

impl State {
    pub fn new() -> Self {
        let regions = REGIONS.iter().map(|info| (info.name, Region::new(info))).collect();
        Self {
            regions,
            controls: Controls {
                transition: Duration::from_millis(200),
                page_size: 1000,
                profiles: BTreeSet::from(["app".to_owned()]),
                ..Controls::default()
            },
            advanced: Duration::ZERO,
            date_offset: SignedDuration::ZERO,
            counter: 0,
            request_count: 0,
            due: BTreeMap::new(),
        }
    }

    /// The lifecycle clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + self.advanced
    }

    /// The clock of the `Date` header.
    pub fn date(&self) -> Timestamp {
        Timestamp::now() + self.date_offset
    }

    /// The next of a series that never repeats.
    pub fn serial(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// The next of a series for requests alone.
    pub fn request_serial(&mut self) -> u64 {
        self.request_count += 1;
        self.request_count
    }

    pub fn new_identifier(&mut self, prefix: &str) -> String {
        identifier(prefix, self.serial())
    }

    pub fn region(&mut self, name: &str) -> &mut Region {
        self.regions.get_mut(name).expect("only known regions get here")
    }

    /// Begins a change that will be done after one transition delay.
    pub fn schedule(&mut self, region: &str, serial: u64, phase: Phase) {
        let at = self.now() + self.controls.transition;
        self.push(at, region, serial, Change::To(phase));
    }

    fn push(&mut self, at: Timestamp, region: &str, serial: u64, change: Change) {
        let order = self.serial();
        let region = self.region(region);
        let name = region.info.name;
        if let Some(instance) = region.instances.get(&serial) {
            let event = Event {
                region: name,
                serial,
                epoch: instance.epoch,
                change,
            };
            self.due.insert((at, order), event);
        }
    }

    /// Moves the lifecycle clock on, and lets happen what is due.
    pub fn advance(&mut self, by: Duration) {
        self.advanced += by;
        self.apply_due_events();
    }

    /// Lets everything happen that is due by now.
    pub fn apply_due_events(&mut self) {
        let now = self.now();
        while let Some(entry) = self.due.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                break;
            }
            let event = entry.remove();
            self.apply_event(at, event);
        }
    }

    /// Lets everything happen that is under way, without moving the clock. Terminated instances stay visible.
    pub fn finish_transitions(&mut self) {
        let is_transition = |event: &Event| matches!(event.change, Change::To(_));
        while let Some(key) = self
            .due
            .iter()
            .find(|(_, event)| is_transition(event))
            .map(|(key, _)| *key)
        {
            if let Some(event) = self.due.remove(&key) {
                self.apply_event(self.now(), event);
            }
        }
    }

    fn apply_event(&mut self, at: Timestamp, event: Event) {
        let name = event.region;
        let region = self.region(name);
        let Some(instance) = region.instances.get_mut(&event.serial) else {
            return;
        };
        if instance.epoch != event.epoch {
            return;
        }
        match event.change {
            Change::Forget => {
                let id = instance.id.clone();
                region.instances.remove(&event.serial);
                region.serials.remove(&id);
                region.tags.remove(&id);
            }
            Change::To(Phase::Terminated) if instance.keeps_shutting_down => {}
            Change::To(phase) => {
                region.enter(event.serial, phase);
                self.print_boot(name, event.serial);
                let region = self.region(name);
                // It may have died instead of becoming what was due.
                let is_terminated = region
                    .instances
                    .get(&event.serial)
                    .is_some_and(|instance| instance.phase == Phase::Terminated);
                if is_terminated {
                    self.push(at + TERMINATED_IS_SHOWN_FOR, name, event.serial, Change::Forget);
                }
            }
        }
    }
}
