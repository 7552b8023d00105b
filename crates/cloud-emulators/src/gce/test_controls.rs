//! The settings that make the cloud faulty.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Emulator;
use super::guest_attributes::GuestAttributesOff;
use super::operations::RequestIdMismatch;
use super::rate_limit::Rate;
use super::state::Delays;

/// The settings of an emulator; each has its method on [`Emulator`].
#[derive(Default)]
pub struct Controls {
    pub delays: Delays,
    pub exhausted_zones: BTreeSet<String>,
    /// How many more VMs a zone has room for, where that is counted.
    pub room: BTreeMap<String, usize>,
    /// A bulk insert of a name that is taken is accepted, and fails later.
    pub bulk_conflicts_later: bool,
    pub quota_exceeded: bool,
    pub quota_refused: bool,
    pub api_disabled: bool,
    pub token_expired: bool,
    pub unreachable_zones: BTreeSet<String>,
    pub denied: BTreeSet<String>,
    pub projects: Option<BTreeSet<String>>,
    pub lag: Duration,
    pub page_size_cap: Option<usize>,
    pub empty_pages: usize,
    pub repeat_page_token: bool,
    /// Tokens of an earlier epoch have expired.
    pub page_epoch: u64,
    pub wait_returns_early: bool,
    pub request_id_mismatch: RequestIdMismatch,
    /// VMs whose disks survive them, whatever autoDelete says.
    pub left_disks: BTreeSet<String>,
    pub replace_before_delete: BTreeSet<String>,
    pub replace_before_change: BTreeSet<String>,
    pub changes_fail: bool,
    pub live_scheduling: LiveScheduling,
    pub hide_termination: bool,
    pub rate: Option<Rate>,
    pub public_address: Option<String>,
    pub private_address: Option<String>,
    /// The host keys that a guest tells at its first boot; with none it tells no keys.
    pub boot_host_keys: Vec<String>,
    /// How long a guest takes to say anything.
    pub console_delay: Duration,
    pub guest_attributes_off: GuestAttributesOff,
    /// An organisation's policy refuses guest attributes.
    pub guest_attributes_denied: bool,
}

/// What `instances.setScheduling` does with a VM that is not stopped. Google documents the first; the others are what
/// a client must be ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveScheduling {
    /// It is refused.
    #[default]
    Refuse,
    /// The run limit of the present run moves.
    Allow,
    /// It is accepted, and holds from the next start on.
    NextRun,
}

/// Time, and the answers to calls.
impl Emulator {
    /// About how long each transition takes; see [`Delays::of`].
    pub fn set_transition_time(&self, total: Duration) {
        self.set_delays(Delays::of(total));
    }

    /// Holds for what begins from now on. A delay of hours makes a VM that never gets there.
    pub fn set_delays(&self, delays: Delays) {
        self.state().controls.delays = delays;
    }

    /// Moves the emulator's clock ahead; everything due by then happens, each thing at its own time.
    pub fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    /// Inserts and starts in this zone are accepted, and then fail for want of machines.
    pub fn exhaust_zone(&self, zone: &str) {
        self.state().controls.exhausted_zones.insert(zone.to_owned());
    }

    /// This zone has room for so many more VMs, and fails inserts after that.
    pub fn limit_room(&self, zone: &str, vms: usize) {
        self.state().controls.room.insert(zone.to_owned(), vms);
    }

    /// Google does not say when a bulk insert finds that a name is taken: at once, or in its operation.
    pub fn set_bulk_conflicts_later(&self, later: bool) {
        self.state().controls.bulk_conflicts_later = later;
    }

    /// Removes every limit on the zone's capacity.
    pub fn restock_zone(&self, zone: &str) {
        let mut state = self.state();
        state.controls.exhausted_zones.remove(zone);
        state.controls.room.remove(zone);
    }

    /// Inserts and starts are accepted, and their operation fails with QUOTA_EXCEEDED.
    pub fn set_quota_exceeded(&self, exceeded: bool) {
        self.state().controls.quota_exceeded = exceeded;
    }

    /// Inserts are refused at once, with a 403 of reason quotaExceeded.
    pub fn set_quota_refused(&self, refused: bool) {
        self.state().controls.quota_refused = refused;
    }

    /// Deletes, stops and resets are accepted, and their operation fails; the VM stays as it is.
    pub fn set_changes_fail(&self, fail: bool) {
        self.state().controls.changes_fail = fail;
    }

    /// Sets what `instances.setScheduling` does with a VM that is not stopped.
    pub fn set_live_scheduling(&self, live: LiveScheduling) {
        self.state().controls.live_scheduling = live;
    }

    /// VMs do not show when their run limit ends them, as in answers of an older API.
    pub fn set_hide_termination(&self, hide: bool) {
        self.state().controls.hide_termination = hide;
    }

    /// Requests beyond this rate are refused with a 403 of reason rateLimitExceeded.
    pub fn limit_rate(&self, requests_per_second: u32) {
        self.state().controls.rate = Some(Rate::of(f64::from(requests_per_second)));
    }

    /// Refuses every call, as Google does for a project that has not enabled the API.
    pub fn set_api_disabled(&self, disabled: bool) {
        self.state().controls.api_disabled = disabled;
    }

    /// Every token counts as expired, until [`Emulator::renew_token`].
    pub fn expire_token(&self) {
        self.state().controls.token_expired = true;
    }

    /// Accepts tokens again.
    pub fn renew_token(&self) {
        self.state().controls.token_expired = false;
    }

    /// Calls in this zone fail; aggregated lists fail, or are partial for those who asked for that.
    pub fn mark_unreachable(&self, zone: &str) {
        self.state().controls.unreachable_zones.insert(zone.to_owned());
    }

    /// Ends what [`Emulator::mark_unreachable`] began.
    pub fn mark_reachable(&self, zone: &str) {
        self.state().controls.unreachable_zones.remove(zone);
    }

    /// Takes away a permission such as `compute.instances.delete`.
    pub fn deny(&self, permission: &str) {
        self.state().controls.denied.insert(permission.to_owned());
    }

    /// From now on only these projects exist, besides those of the public images.
    pub fn only_projects(&self, projects: &[&str]) {
        let projects = projects.iter().map(|project| (*project).to_owned()).collect();
        self.state().controls.projects = Some(projects);
    }

    /// Reads do not see a VM until it is that old. Inserts of its name know of it all the same.
    pub fn set_lag(&self, lag: Duration) {
        self.state().controls.lag = lag;
    }

    /// Pages hold no more than this, whatever the client asks for.
    pub fn page_size_cap(&self, rows: usize) {
        self.state().controls.page_size_cap = Some(rows);
    }

    /// So many list calls get a page without rows, but with a token.
    pub fn empty_pages(&self, pages: usize) {
        self.state().controls.empty_pages = pages;
    }

    /// Every list answers its first page for ever, with a token that leads back to it.
    pub fn repeat_page_token(&self, repeat: bool) {
        self.state().controls.repeat_page_token = repeat;
    }

    /// The tokens given out so far are no longer valid.
    pub fn expire_page_tokens(&self) {
        self.state().controls.page_epoch += 1;
    }

    /// `operations.wait` answers at once, with an operation that may still run.
    pub fn set_wait_returns_early(&self, early: bool) {
        self.state().controls.wait_returns_early = early;
    }

    /// Forgets the request ids so far, as Google does after some time.
    pub fn forget_request_ids(&self) {
        self.state().remembered.clear();
    }

    /// Sets how request ids are kept and what a mismatch does.
    pub fn set_request_id_mismatch(&self, mismatch: RequestIdMismatch) {
        self.state().controls.request_id_mismatch = mismatch;
    }
}
