//! The mock provider. It has no API: its state is a file, and its faults are in a variable.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use cloud_emulators::recorded_call::Call;

use crate::support::command_line::CommandLine;
use crate::support::sandbox::{Run, Sandbox};
use crate::support::test_cloud::{Differences, Labels, ObservedInstance, TestCloud, TestSite};

pub struct MockCloud {
    /// Shares the state file with the runs of a test, but not their faults.
    sandbox: Sandbox,
    faults: Mutex<Vec<String>>,
}

impl MockCloud {
    pub fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            faults: Mutex::default(),
        }
    }

    fn run(&self, arguments: &(impl CommandLine + ?Sized)) -> Run {
        let mut all = arguments.words();
        all.extend(["-p", "mock", "-o", "json"].map(str::to_owned));
        self.sandbox.run(&all).expect(0)
    }

    fn path(&self) -> PathBuf {
        self.sandbox.home().join(".local/state/cloudctl/mock.json")
    }

    fn state(&self) -> Value {
        let text = std::fs::read_to_string(self.path()).unwrap_or_else(|_| "{}".to_owned());
        serde_json::from_str(&text).expect("the mock's file")
    }

    fn set_labels(&self, id: &str, labels: &Labels) {
        let mut state = self.state();
        for one in state["instances"].as_array_mut().into_iter().flatten() {
            if one["id"] == id {
                one["labels"] = json!(labels);
            }
        }
        std::fs::write(self.path(), state.to_string()).expect("the mock's file");
    }

    fn add_fault(&self, fault: &str) {
        self.faults.lock().expect("faults").push(fault.to_owned());
    }
}

impl TestCloud for MockCloud {
    fn provider(&self) -> &'static str {
        "mock"
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn fault_environment(&self) -> Vec<(&'static str, String)> {
        let faults = self.faults.lock().expect("faults");
        if faults.is_empty() {
            return Vec::new();
        }
        vec![("CLOUDCTL_MOCK", faults.join(","))]
    }

    fn site(&self) -> TestSite {
        TestSite {
            home_region: "us-east-1",
            home_zone: "us-east-1a",
            home_zones: &["us-east-1a", "us-east-1b", "us-east-1c"],
            near_region: "us-east-1",
            other_region: "eu-west-1",
            other_zone: "eu-west-1a",
            other_type: "large",
            absent_network: "nowhere",
            absent_ref: "mock/us-east-1/i-0123456789abcdef0",
        }
    }

    fn differences(&self) -> Differences {
        Differences {
            ttl_enforcer: "cloud",
            short_ttl: "1s",
            extends_running: true,
            changes_in_batches: false,
            lists_all_regions_at_once: false,
            shown_key: "SHA256:",
            names_are_fixed: false,
            has_disks: false,
            records_calls: false,
            disabled_region: None,
        }
    }

    /// The state of an instance follows from the time, so another run of the binary is asked for it.
    fn instances(&self) -> Vec<ObservedInstance> {
        let state = self.state();
        let all = state["instances"].as_array().cloned().unwrap_or_default();
        if all.is_empty() {
            return Vec::new();
        }
        let listed = self.run("list --all").items();
        let observe = |one: &Value| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let listed = listed.iter().find(|item| item["id"] == one["id"]);
            ObservedInstance {
                name: text("name"),
                id: text("id"),
                state: listed
                    .and_then(|item| item["state"].as_str())
                    .unwrap_or("terminated")
                    .to_owned(),
                region: text("region"),
                zone: text("zone"),
                labels: serde_json::from_value(one["labels"].clone()).unwrap_or_default(),
                spot: one["spot"] == true,
            }
        };
        all.iter().map(observe).collect()
    }

    /// The mock has no API, and so no calls.
    fn calls(&self) -> Vec<Call> {
        Vec::new()
    }

    fn arm_image(&self) -> String {
        "img-ubuntu-24.04-arm64".to_owned()
    }

    fn create_unmanaged(&self, name: &str) -> String {
        self.seed(self.site().home_zone, name, &Labels::new())
    }

    fn seed(&self, zone: &str, name: &str, labels: &Labels) -> String {
        let created = self.run(&["create", name, "-z", zone]).item();
        let id = created["id"].as_str().unwrap_or_default().to_owned();
        self.set_labels(&id, labels);
        id
    }

    fn clear_faults(&self) {
        self.faults.lock().expect("faults").clear();
    }

    fn exhaust_zone(&self, zone: &str) {
        self.add_fault(&format!("capacity@{zone}"));
    }

    fn restore_capacity(&self) {
        self.clear_faults();
    }

    fn exhaust_quota(&self) {
        self.add_fault("quota");
    }

    fn deny_create(&self) {
        self.add_fault("denied");
    }

    fn expire_credentials(&self) {
        self.add_fault("unauthenticated");
    }

    fn renew_credentials(&self) {
        self.clear_faults();
    }

    fn throttle_listings(&self) {
        self.add_fault("throttle=1.0");
    }

    fn throttle_some_calls(&self) {
        self.add_fault("throttle=0.2");
    }

    fn cut_off_home_region(&self) {
        self.add_fault(&format!("unreachable={}", self.site().home_region));
    }

    /// The mock's clock is this machine's.
    fn let_short_ttl_pass(&self) {
        std::thread::sleep(Duration::from_millis(1_500));
    }
}
