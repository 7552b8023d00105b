//! The Compute Engine emulator.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use jiff::Timestamp;

use cloud_emulators::faults::Fault;
use cloud_emulators::gce::{self, Delays, RequestIdMismatch};
use cloud_emulators::http::Endpoint;
use cloud_emulators::python_environment;
use cloud_emulators::recorded_call::Call;

use crate::support::sandbox::gcp_environment;
use crate::support::test_cloud::{
    AccountPin, ApiError, ApiErrors, Differences, Labels, ObservedInstance, OperationNames, TestCloud, TestSite,
    common_state, seed_name,
};

const SITE: TestSite = TestSite {
    home_region: "us-central1",
    home_zone: "us-central1-a",
    home_zones: &["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"],
    near_region: "us-east1",
    other_region: "europe-west1",
    other_zone: "europe-west1-b",
    other_type: "e2-standard-4",
    absent_network: "nowhere",
    absent_ref: "gcp/us-central1-a/1234567890",
};

const OPERATIONS: OperationNames = OperationNames {
    create: "instances.insert",
    create_group: "instances.bulkInsert",
    list: "instances.aggregatedList",
    terminate: "instances.delete",
};

pub struct GceCloud {
    emulator: gce::Emulator,
}

impl GceCloud {
    /// Starts the emulator; `checked` if it compares each call with Google's description of the API.
    pub fn start(checked: bool) -> Self {
        let emulator = if checked {
            gce::Emulator::start_with_discovery(&python_environment::discovery_document())
        } else {
            gce::Emulator::start()
        };
        Self { emulator }
    }
}

impl TestCloud for GceCloud {
    fn provider(&self) -> &'static str {
        "gcp"
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        gcp_environment(&self.emulator.url(), gce::PROJECT)
    }

    fn endpoint_variable(&self, url: &str) -> (&'static str, String) {
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", format!("{url}/compute/v1/"))
    }

    fn site(&self) -> TestSite {
        SITE
    }

    fn operations(&self) -> OperationNames {
        OPERATIONS
    }

    fn errors(&self) -> ApiErrors {
        let error = |status, code| ApiError { status, code };
        ApiErrors {
            throttled: error(403, "rateLimitExceeded"),
            throttled_newer: error(429, "rateLimitExceeded"),
            internal: error(500, "backendError"),
            unavailable: error(503, "backendError"),
            no_room_for_group: error(403, "quotaExceeded"),
            listing_denied: error(403, "forbidden"),
            stale_page_token: error(400, "invalid"),
        }
    }

    fn differences(&self) -> Differences {
        Differences {
            ttl_enforcer: "cloud",
            short_ttl: "60s",
            // A run limit is a part of the scheduling, which cannot be changed while the instance runs.
            extends_running: false,
            changes_in_batches: false,
            lists_all_regions_at_once: true,
            shown_key: "SHA256:",
            names_are_fixed: true,
            has_disks: true,
            records_calls: true,
            disabled_region: None,
        }
    }

    fn account_pin(&self) -> AccountPin {
        AccountPin {
            variable: "CLOUDCTL_EXPECT_PROJECT",
            setting: "expect_project",
            right: gce::PROJECT,
            wrong: "another-project",
        }
    }

    fn gce_emulator(&self) -> Option<&gce::Emulator> {
        Some(&self.emulator)
    }

    fn instances(&self) -> Vec<ObservedInstance> {
        let observe = |one: gce::InstanceView| ObservedInstance {
            name: one.name,
            id: one.id,
            state: common_state(&one.status),
            region: one
                .zone
                .rsplit_once('-')
                .map(|(region, _)| region.to_owned())
                .unwrap_or_default(),
            zone: one.zone,
            labels: one.labels,
            spot: one.scheduling.provisioning_model == "SPOT"
                && one.scheduling.instance_termination_action.as_deref() == Some("DELETE"),
        };
        self.emulator.instances().into_iter().map(observe).collect()
    }

    /// An instance that is being deleted has the state of one that is being stopped.
    fn wait_for_deletions(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let is_stopping = || self.emulator.instances().iter().any(|one| one.status == "STOPPING");
        while is_stopping() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn disks(&self) -> Vec<String> {
        self.emulator.disks().into_iter().map(|disk| disk.name).collect()
    }

    fn orphaned_disks(&self) -> Vec<String> {
        let disks = self.emulator.disks().into_iter();
        disks.filter(|disk| disk.user.is_none()).map(|disk| disk.name).collect()
    }

    fn disk_labels(&self) -> Vec<Labels> {
        self.emulator.disks().into_iter().map(|disk| disk.labels).collect()
    }

    fn ends_by_itself(&self, name: &str, ttl: Duration) -> bool {
        let scheduling = self.emulator.instance(name).expect("the instance").scheduling;
        scheduling.max_run_duration == Some(ttl) && scheduling.instance_termination_action.as_deref() == Some("DELETE")
    }

    fn created_at(&self, name: &str) -> Timestamp {
        self.emulator.instance(name).expect("the instance").created
    }

    fn now(&self) -> Timestamp {
        self.emulator.now()
    }

    fn calls(&self) -> Vec<Call> {
        self.emulator.calls()
    }

    fn violations(&self) -> Vec<String> {
        self.emulator.violations()
    }

    fn arm_image(&self) -> String {
        "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-arm64".to_owned()
    }

    fn create_unmanaged(&self, name: &str) -> String {
        self.seed(SITE.home_zone, name, &Labels::new())
    }

    fn seed(&self, zone: &str, name: &str, labels: &Labels) -> String {
        let pairs: Vec<_> = labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        self.emulator.create_from_outside(zone, name, &pairs);
        let mut all = self.emulator.instances().into_iter();
        let created = all.find(|one| one.name == name && one.zone == zone);
        created.expect("the instance").id
    }

    fn seed_many(&self, zone: &str, count: usize, labels: &dyn Fn(&str) -> Labels) {
        self.emulator.seed_instances_with(zone, count, |number| {
            let name = seed_name(number);
            labels(&name).into_iter().collect()
        });
    }

    fn remove_unnoticed(&self, name: &str) {
        self.emulator.delete_from_outside(name);
    }

    fn protect(&self, name: &str) {
        self.emulator.set_deletion_protection(name, true);
    }

    fn set_boot_host_keys(&self, keys: &[&str]) {
        self.emulator.set_boot_host_keys(keys);
    }

    fn set_public_address(&self, address: &str) {
        self.emulator.set_public_address(address);
    }

    fn inject(&self, fault: Fault) {
        self.emulator.inject(fault);
    }

    fn clear_faults(&self) {
        self.emulator.clear_faults();
    }

    fn exhaust_zone(&self, zone: &str) {
        self.emulator.exhaust_zone(zone);
    }

    fn restore_capacity(&self) {
        for zone in SITE.home_zones {
            self.emulator.restock_zone(zone);
        }
    }

    fn fail_accepted_creates(&self, zone: &str) -> &'static str {
        self.emulator.exhaust_zone(zone);
        "ZONE_RESOURCE_POOL_EXHAUSTED"
    }

    fn exhaust_quota(&self) {
        self.emulator.set_quota_exceeded(true);
    }

    fn check_quota_first(&self) -> bool {
        self.emulator.set_quota_refused(true);
        true
    }

    fn deny_create(&self) {
        self.emulator.deny("compute.instances.create");
    }

    fn expire_credentials(&self) {
        self.emulator.expire_token();
    }

    fn renew_credentials(&self) {
        self.emulator.renew_token();
    }

    fn hide_other_region(&self) -> Vec<String> {
        let zones = ["europe-west1-b", "europe-west1-c", "europe-west1-d"];
        for zone in zones {
            self.emulator.mark_unreachable(zone);
        }
        zones.map(|zone| format!("gcp/{zone}")).to_vec()
    }

    fn hide_part_of_other_region(&self) -> String {
        self.emulator.mark_unreachable(SITE.other_zone);
        format!("gcp/{}", SITE.other_zone)
    }

    fn keep_terminating(&self, _name: &str) {
        self.emulator.set_delays(Delays {
            delete: Duration::from_secs(7 * 24 * 3600),
            ..Delays::of(Duration::from_millis(200))
        });
    }

    fn ignore_changed_spec(&self) {
        self.emulator.set_request_id_mismatch(RequestIdMismatch::ReturnOriginal);
    }

    fn set_page_size(&self, size: usize) {
        self.emulator.page_size_cap(size);
    }

    fn send_empty_pages(&self) {
        self.emulator.empty_pages(3);
    }

    fn repeat_page_token(&self) {
        self.emulator.repeat_page_token(true);
    }

    fn expire_page_tokens(&self) {
        self.emulator.expire_page_tokens();
    }

    fn advance(&self, by: Duration) {
        self.emulator.advance(by);
    }

    fn set_listing_lag(&self, lag: Duration) {
        self.emulator.set_lag(lag);
    }

    fn set_transition(&self, time: Duration) {
        self.emulator.set_transition_time(time);
    }

    fn open_endpoint(&self) -> Endpoint {
        self.emulator.open_endpoint()
    }
}
