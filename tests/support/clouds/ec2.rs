//! The EC2 emulator.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use cloud_emulators::client_commands::aws;
use cloud_emulators::ec2;
use cloud_emulators::faults::Fault;
use cloud_emulators::http::Endpoint;
use cloud_emulators::recorded_call::Call;

use crate::support::sandbox::aws_environment;
use crate::support::test_cloud::{
    AccountPin, ApiError, ApiErrors, Differences, Labels, ObservedInstance, OperationNames, TestCloud, TestSite,
    common_state, seed_name,
};

/// The regions and names of EC2, for each cloud that speaks its API.
pub const SITE: TestSite = TestSite {
    home_region: "us-east-1",
    home_zone: "us-east-1a",
    home_zones: &[
        "us-east-1a",
        "us-east-1b",
        "us-east-1c",
        "us-east-1d",
        "us-east-1e",
        "us-east-1f",
    ],
    near_region: "us-west-2",
    other_region: "eu-west-1",
    other_zone: "eu-west-1a",
    other_type: "m7i.large",
    absent_network: "vpc-0123456789abcdef0",
    absent_ref: "aws/us-east-1/i-0123456789abcdef0",
};

pub const OPERATIONS: OperationNames = OperationNames {
    create: "RunInstances",
    create_group: "RunInstances",
    list: "DescribeInstances",
    terminate: "TerminateInstances",
};

pub const DIFFERENCES: Differences = Differences {
    ttl_enforcer: "guest",
    short_ttl: "60s",
    extends_running: true,
    changes_in_batches: true,
    lists_all_regions_at_once: false,
    shown_key: "cloudctl-",
    names_are_fixed: false,
    has_disks: true,
    records_calls: true,
    disabled_region: Some("af-south-1"),
};

fn region_of(zone: &str) -> &str {
    zone.trim_end_matches(char::is_alphabetic)
}

/// Launches an instance by a client that we did not write, and gives its id.
pub fn run_instance(url: &str, image: &str, name: &str) -> String {
    let tags = format!("ResourceType=instance,Tags=[{{Key=Name,Value={name}}}]");
    let arguments = [
        "ec2",
        "run-instances",
        "--image-id",
        image,
        "--instance-type",
        "t3.small",
        "--tag-specifications",
        &tags,
    ];
    let answer = aws(url, &arguments);
    let id = answer["Instances"][0]["InstanceId"].as_str();
    id.unwrap_or_default().to_owned()
}

pub struct Ec2Cloud {
    emulator: ec2::Emulator,
}

impl Ec2Cloud {
    pub fn start() -> Self {
        Self {
            emulator: ec2::Emulator::start(),
        }
    }

    fn image_id(&self, architecture: &str) -> String {
        let name = format!("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{architecture}-server-20251022");
        self.emulator.image_id(SITE.home_region, &name).expect("the image")
    }

    /// The living instance of a name.
    fn find(&self, name: &str) -> ec2::InstanceView {
        let mut alive = self.emulator.alive().into_iter();
        alive.find(|one| one.name() == Some(name)).expect("the instance")
    }
}

impl TestCloud for Ec2Cloud {
    fn provider(&self) -> &'static str {
        "aws"
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        aws_environment(&self.emulator.url())
    }

    fn endpoint_variable(&self, url: &str) -> (&'static str, String) {
        ("AWS_ENDPOINT_URL", url.to_owned())
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
            throttled: error(503, "RequestLimitExceeded"),
            throttled_newer: error(503, "RequestLimitExceeded"),
            internal: error(500, "InternalError"),
            unavailable: error(503, "Unavailable"),
            no_room_for_group: error(500, "InsufficientInstanceCapacity"),
            listing_denied: error(403, "UnauthorizedOperation"),
            stale_page_token: error(400, "InvalidPaginationToken"),
        }
    }

    fn differences(&self) -> Differences {
        DIFFERENCES
    }

    fn account_pin(&self) -> AccountPin {
        AccountPin {
            variable: "CLOUDCTL_EXPECT_ACCOUNT",
            setting: "expect_account",
            right: "123456789012",
            wrong: "999999999999",
        }
    }

    fn ec2_emulator(&self) -> Option<&ec2::Emulator> {
        Some(&self.emulator)
    }

    fn url(&self) -> String {
        self.emulator.url()
    }

    fn instances(&self) -> Vec<ObservedInstance> {
        let observe = |one: ec2::InstanceView| ObservedInstance {
            name: one.tags.get("Name").cloned().unwrap_or_default(),
            id: one.id,
            state: common_state(one.state),
            region: one.region,
            zone: one.zone,
            labels: one.tags,
            spot: one.spot,
        };
        self.emulator.instances().into_iter().map(observe).collect()
    }

    fn disks(&self) -> Vec<String> {
        let volumes = self.emulator.volumes().into_iter();
        volumes.map(|volume| volume.id).collect()
    }

    fn orphaned_disks(&self) -> Vec<String> {
        let volumes = self.emulator.volumes().into_iter();
        let orphaned = volumes.filter(|volume| volume.instance.is_none());
        orphaned.map(|volume| volume.id).collect()
    }

    fn disk_labels(&self) -> Vec<Labels> {
        let volumes = self.emulator.volumes().into_iter();
        volumes.map(|volume| volume.tags).collect()
    }

    /// The timer is in the user data, and shutting down terminates.
    fn ends_by_itself(&self, name: &str, _ttl: Duration) -> bool {
        let instance = self.find(name);
        instance.shutdown_behaviour == "terminate" && instance.user_data.is_some()
    }

    fn created_at(&self, name: &str) -> Timestamp {
        let mut all = self.emulator.instances().into_iter();
        all.find(|one| one.name() == Some(name)).expect("the instance").created
    }

    fn now(&self) -> Timestamp {
        self.emulator.now()
    }

    fn calls(&self) -> Vec<Call> {
        self.emulator.calls()
    }

    fn arm_image(&self) -> String {
        self.image_id("arm64")
    }

    fn create_unmanaged(&self, name: &str) -> String {
        let id = run_instance(&self.emulator.url(), &self.image_id("amd64"), name);
        let deadline = Instant::now() + Duration::from_secs(30);
        let starts = || self.emulator.instance(&id).is_some_and(|one| one.state == "pending");
        while starts() {
            assert!(Instant::now() < deadline, "the instance {id} runs within 30 s");
            std::thread::sleep(Duration::from_millis(20));
        }
        id
    }

    /// The emulator chooses the zone in the region.
    fn seed(&self, zone: &str, name: &str, labels: &Labels) -> String {
        let mut tags = labels.clone();
        tags.insert("Name".to_owned(), name.to_owned());
        self.emulator.seed_tagged(region_of(zone), 1, &tags).remove(0)
    }

    fn seed_many(&self, zone: &str, count: usize, labels: &dyn Fn(&str) -> Labels) {
        self.emulator.seed_instances_with(region_of(zone), count, |number| {
            let name = seed_name(number);
            let mut tags = labels(&name);
            tags.insert("Name".to_owned(), name);
            tags
        });
    }

    fn remove_unnoticed(&self, name: &str) {
        self.emulator.forget(&self.find(name).id);
    }

    fn protect(&self, name: &str) {
        self.emulator.protect_from_outside(&self.find(name).id);
    }

    fn force_label(&self, id: &str, key: &str, value: &str) -> bool {
        self.emulator.force_tag(id, key, value);
        true
    }

    fn set_console_text(&self, id: &str, text: &str) -> bool {
        self.emulator.set_console_output(id, text);
        true
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
        self.emulator.restore_capacity();
    }

    fn fail_accepted_creates(&self, _zone: &str) -> &'static str {
        self.emulator
            .fail_launches("Server.InsufficientInstanceCapacity", "no room after all", 2);
        "InsufficientInstanceCapacity"
    }

    fn exhaust_quota(&self) {
        self.emulator.set_vcpu_limit(1);
    }

    fn deny_create(&self) {
        self.emulator.remove_account_permission("RunInstances");
    }

    fn expire_credentials(&self) {
        self.emulator.expire_credentials();
    }

    fn renew_credentials(&self) {
        self.emulator.renew_credentials();
    }

    fn hide_other_region(&self) -> Vec<String> {
        let unavailable = self.errors().unavailable.before();
        self.inject(Fault::on(OPERATIONS.list, unavailable).at(SITE.other_region));
        vec![format!("aws/{}", SITE.other_region)]
    }

    fn hide_part_of_other_region(&self) -> String {
        let denied = self.errors().listing_denied.before();
        self.inject(Fault::on(OPERATIONS.list, denied).at(SITE.other_region));
        format!("aws/{}", SITE.other_region)
    }

    fn keep_terminating(&self, name: &str) {
        self.emulator.keep_shutting_down(&self.find(name).id);
    }

    fn ignore_changed_spec(&self) {
        self.emulator.set_return_old_for_changed_launch(true);
    }

    /// EC2 did so before 2025, for some minutes after the termination.
    fn set_return_terminated(&self, on: bool) -> bool {
        self.emulator.set_return_terminated_for_old_token(on);
        if on {
            self.emulator.advance(Duration::from_secs(600));
        }
        true
    }

    fn set_page_size(&self, size: usize) {
        self.emulator.page_size_cap(size);
    }

    fn send_empty_pages(&self) {
        self.emulator.set_empty_pages(true);
    }

    fn repeat_page_token(&self) {
        self.emulator.set_repeat_page_token(true);
    }

    fn expire_page_tokens(&self) {
        self.emulator.expire_page_tokens();
    }

    fn advance(&self, by: Duration) {
        self.emulator.advance(by);
    }

    /// The dates of the answers come from another of the emulator's clocks.
    fn advance_with_dates(&self, by: Duration) {
        self.emulator.advance(by);
        let offset = SignedDuration::try_from(by).expect("a short time");
        self.emulator.set_date_offset(offset);
    }

    fn set_listing_lag(&self, lag: Duration) {
        self.emulator.set_lag(lag);
    }

    fn set_transition(&self, time: Duration) {
        self.emulator.set_transition(time);
    }

    fn open_endpoint(&self) -> Endpoint {
        self.emulator.open_endpoint()
    }
}
