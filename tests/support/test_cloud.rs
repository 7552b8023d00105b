//! What a test needs from a cloud: how the binary finds it, what it holds, and how a test changes it.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::http::Endpoint;
use cloud_emulators::recorded_call::Call;
use cloud_emulators::{ec2, gce};

/// Labels of an instance, or tags on EC2.
pub type Labels = BTreeMap<String, String>;

/// An instance as the cloud itself has it, in cloudctl's words.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedInstance {
    pub name: String,
    pub id: String,
    pub state: String,
    pub region: String,
    pub zone: String,
    /// All of them, cloudctl's own included.
    pub labels: Labels,
    /// Whether it is a spot instance that is deleted, not stopped, when the cloud takes it back.
    pub spot: bool,
}

/// Regions, zones and machine types that a cloud has.
#[derive(Clone, Copy, Debug)]
pub struct TestSite {
    pub home_region: &'static str,
    pub home_zone: &'static str,
    /// All zones of the home region, the home zone first.
    pub home_zones: &'static [&'static str],
    /// Another region of the area that the home region is in.
    pub near_region: &'static str,
    /// A region of another area.
    pub other_region: &'static str,
    pub other_zone: &'static str,
    /// A machine type that is not the default one.
    pub other_type: &'static str,
    /// A network that is not there, in the cloud's own form.
    pub absent_network: &'static str,
    /// The ref of an instance that is not there.
    pub absent_ref: &'static str,
}

/// What the API calls the operations.
#[derive(Clone, Copy, Debug)]
pub struct OperationNames {
    pub create: &'static str,
    pub create_group: &'static str,
    pub list: &'static str,
    pub terminate: &'static str,
}

/// An error answer of the API.
#[derive(Clone, Copy, Debug)]
pub struct ApiError {
    pub status: u16,
    pub code: &'static str,
}

impl ApiError {
    /// The call is refused without an effect.
    pub fn before(self) -> Effect {
        Effect::ErrorBefore {
            status: self.status,
            code: self.code.to_owned(),
        }
    }

    /// The call takes effect, and is answered with the error.
    pub fn after(self) -> Effect {
        Effect::ErrorAfter {
            status: self.status,
            code: self.code.to_owned(),
        }
    }
}

/// The API's own errors.
#[derive(Clone, Copy, Debug)]
pub struct ApiErrors {
    pub throttled: ApiError,
    /// Another form of it, where the API has one.
    pub throttled_newer: ApiError,
    pub internal: ApiError,
    pub unavailable: ApiError,
    pub no_room_for_group: ApiError,
    pub listing_denied: ApiError,
    pub stale_page_token: ApiError,
}

/// How a user says which account or project is meant.
#[derive(Clone, Copy, Debug)]
pub struct AccountPin {
    pub variable: &'static str,
    /// The key in the provider's table of a context.
    pub setting: &'static str,
    pub right: &'static str,
    pub wrong: &'static str,
}

/// What one cloud does in another way than the others.
#[derive(Clone, Copy, Debug)]
pub struct Differences {
    /// Who terminates an instance when its TTL is over.
    pub ttl_enforcer: &'static str,
    /// The shortest TTL that the cloud takes.
    pub short_ttl: &'static str,
    /// Whether the TTL of a running instance can be extended.
    pub extends_running: bool,
    /// Whether one call changes many instances.
    pub changes_in_batches: bool,
    /// Whether one call lists all regions.
    pub lists_all_regions_at_once: bool,
    /// How a message shows an SSH key.
    pub shown_key: &'static str,
    /// Whether the name of an instance cannot be changed.
    pub names_are_fixed: bool,
    /// Whether the test can see disks.
    pub has_disks: bool,
    /// Whether the test can read which calls came in.
    pub records_calls: bool,
    /// A region that the account has not enabled.
    pub disabled_region: Option<&'static str>,
}

/// A cloud that a test starts, points the binary at, and can look into. A method that a cloud does not have panics, so
/// that a case that needs it cannot pass there by accident.
pub trait TestCloud: Sync {
    /// The word for `-p`.
    fn provider(&self) -> &'static str;

    /// The variables that point the binary at this cloud.
    fn environment(&self) -> Vec<(&'static str, String)>;

    /// The variable that points the binary at one endpoint of this cloud.
    fn endpoint_variable(&self, _url: &str) -> (&'static str, String) {
        self.lacks("endpoints")
    }

    /// Variables that hold the conditions set so far, where the cloud takes them from there.
    fn fault_environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn site(&self) -> TestSite;

    fn operations(&self) -> OperationNames {
        self.lacks("an API")
    }

    fn errors(&self) -> ApiErrors {
        self.lacks("an API")
    }

    fn differences(&self) -> Differences;

    fn account_pin(&self) -> AccountPin {
        self.lacks("accounts")
    }

    /// The EC2 emulator itself, for cases about EC2 alone.
    fn ec2_emulator(&self) -> Option<&ec2::Emulator> {
        None
    }

    /// The Compute Engine emulator itself, for cases about Compute Engine alone.
    fn gce_emulator(&self) -> Option<&gce::Emulator> {
        None
    }

    /// The address of the API, for clients that we did not write.
    fn url(&self) -> String {
        self.lacks("an API")
    }

    // What the cloud holds.

    /// All instances that the cloud remembers, terminated ones included.
    fn instances(&self) -> Vec<ObservedInstance>;

    /// Waits until no deletion is in progress that looks like something else.
    fn wait_for_deletions(&self) {}

    /// The ids of all disks.
    fn disks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The ids of the disks that no instance has.
    fn orphaned_disks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The labels of each disk.
    fn disk_labels(&self) -> Vec<Labels> {
        self.lacks("disks with labels")
    }

    /// Whether an instance was created so that it ends after `ttl` without another run of cloudctl.
    fn ends_by_itself(&self, _name: &str, _ttl: Duration) -> bool {
        self.lacks("instances that end by themselves")
    }

    /// When an instance was created, by the cloud's clock.
    fn created_at(&self, _name: &str) -> Timestamp {
        self.lacks("a clock")
    }

    /// The cloud's time.
    fn now(&self) -> Timestamp {
        self.lacks("a clock")
    }

    /// Every call that came in.
    fn calls(&self) -> Vec<Call> {
        self.lacks("a log of calls")
    }

    /// What did not fit the description of the API, in requests and in the cloud's answers.
    fn violations(&self) -> Vec<String> {
        Vec::new()
    }

    /// An image for arm64, in the cloud's own form.
    fn arm_image(&self) -> String {
        self.lacks("an image for arm64")
    }

    // What others do in the cloud.

    /// Creates an instance that cloudctl does not manage, and gives its id when it runs.
    fn create_unmanaged(&self, name: &str) -> String;

    /// Puts a running instance with exactly these labels into a zone, past the API, and gives its id.
    fn seed(&self, _zone: &str, _name: &str, _labels: &Labels) -> String {
        self.lacks("seeds")
    }

    /// Puts many instances into a zone, named by their number as [`seed_name`] says.
    fn seed_many(&self, _zone: &str, _count: usize, _labels: &dyn Fn(&str) -> Labels) {
        self.lacks("seeds")
    }

    /// Deletes an instance without a trace.
    fn remove_unnoticed(&self, _name: &str) {
        self.lacks("changes from outside")
    }

    /// Protects an instance against deletion.
    fn protect(&self, _name: &str) {
        self.lacks("changes from outside")
    }

    /// Writes a label that the API would refuse. Gives whether the cloud can have such labels.
    fn force_label(&self, _id: &str, _key: &str, _value: &str) -> bool {
        false
    }

    /// Gives whether the console of an instance now shows this text.
    fn set_console_text(&self, _id: &str, _text: &str) -> bool {
        false
    }

    /// Lets every instance that first boots from now on publish these host keys.
    fn set_boot_host_keys(&self, _keys: &[&str]) {
        self.lacks("host keys")
    }

    /// Gives every instance that starts from now on this public address.
    fn set_public_address(&self, _address: &str) {
        self.lacks("addresses")
    }

    // What goes wrong.

    fn inject(&self, _fault: Fault) {
        self.lacks("faults")
    }

    fn clear_faults(&self) {}

    fn exhaust_zone(&self, _zone: &str) {
        self.lacks("limits of capacity")
    }

    fn restore_capacity(&self) {
        self.lacks("limits of capacity")
    }

    /// Creates are accepted, and the instances fail before they run. Gives the error code.
    fn fail_accepted_creates(&self, _zone: &str) -> &'static str {
        self.lacks("failing creates")
    }

    fn exhaust_quota(&self) {
        self.lacks("quotas")
    }

    /// The quota is checked before a create is accepted. Gives whether the cloud has both forms.
    fn check_quota_first(&self) -> bool {
        false
    }

    fn deny_create(&self) {
        self.lacks("permissions")
    }

    fn expire_credentials(&self) {
        self.lacks("credentials")
    }

    fn renew_credentials(&self) {
        self.lacks("credentials")
    }

    /// Every listing is throttled.
    fn throttle_listings(&self) {
        self.inject(Fault::on(self.operations().list, self.errors().throttled.before()));
    }

    /// Some listings and some creates are throttled.
    fn throttle_some_calls(&self) {
        for operation in [self.operations().list, self.operations().create] {
            self.inject(Fault::on(operation, self.errors().throttled.before()).times(2));
        }
    }

    /// The home region cannot be reached.
    fn cut_off_home_region(&self) {
        self.inject(Fault::on_all(Effect::ResetBefore));
    }

    /// The other region does not answer listings. Gives the locations that a listing then misses.
    fn hide_other_region(&self) -> Vec<String> {
        self.lacks("regions that fail")
    }

    /// A part of the other region is not listed. Gives the location.
    fn hide_part_of_other_region(&self) -> String {
        self.lacks("regions that fail")
    }

    /// One listing of the other region takes so long, or each that asks there alone.
    fn slow_down_other_region(&self, by: Duration) {
        let slow = Fault::on(self.operations().list, Effect::Delay(by));
        self.inject(if self.differences().lists_all_regions_at_once {
            slow.times(1)
        } else {
            slow.at(self.site().other_region)
        });
    }

    /// An instance that is being terminated stays so.
    fn keep_terminating(&self, _name: &str) {
        self.lacks("deletions that never end")
    }

    /// A repeated create call with another spec gives the old instance, not an error.
    fn ignore_changed_spec(&self) {
        self.lacks("idempotency tokens")
    }

    /// Whether a create with the token of a terminated instance gives that instance. Gives whether the cloud has both
    /// forms.
    fn set_return_terminated(&self, _on: bool) -> bool {
        false
    }

    // Pages of a listing.

    fn set_page_size(&self, _size: usize) {
        self.lacks("pages")
    }

    fn send_empty_pages(&self) {
        self.lacks("pages")
    }

    fn repeat_page_token(&self) {
        self.lacks("pages")
    }

    fn expire_page_tokens(&self) {
        self.lacks("pages")
    }

    // Time.

    fn advance(&self, _by: Duration) {
        self.lacks("a clock")
    }

    /// Moves the clock on, and the dates of the answers with it.
    fn advance_with_dates(&self, by: Duration) {
        self.advance(by);
    }

    /// Lets the TTL pass that [`Differences::short_ttl`] says.
    fn let_short_ttl_pass(&self) {
        self.advance_with_dates(Duration::from_secs(180));
    }

    /// How long reads do not see a new instance.
    fn set_listing_lag(&self, _lag: Duration) {
        self.lacks("a lag")
    }

    /// How long an instance takes from one state to the next.
    fn set_transition(&self, _time: Duration) {
        self.lacks("a pace")
    }

    /// An address for one process, with faults and a log of calls of its own.
    fn open_endpoint(&self) -> Endpoint {
        self.lacks("endpoints")
    }

    /// Fails the case, as this cloud has no such thing.
    fn lacks(&self, what: &str) -> ! {
        panic!("this cloud ({}) has no {what}", self.provider())
    }
}

/// The name of the instance of this number, as [`TestCloud::seed_many`] gives it.
pub fn seed_name(number: usize) -> String {
    format!("seed-{number:06}")
}

/// cloudctl's word for a cloud's own word for a state.
pub fn common_state(native: &str) -> String {
    let common = match native {
        "shutting-down" => "terminating",
        "PROVISIONING" | "STAGING" => "pending",
        "RUNNING" => "running",
        "STOPPING" => "stopping",
        "TERMINATED" => "stopped",
        other => other,
    };
    common.to_owned()
}
