//! The backends: how the binary is pointed at each, and how each cloud's own memory is read.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;

use serde_json::Value;

use super::moto::Moto;
use super::sandbox::{Run, Sandbox};
use cloud_emulators::call::Call;
use cloud_emulators::clients::aws;
use cloud_emulators::faults::Fault;
use cloud_emulators::http::Endpoint;
use cloud_emulators::python;
use cloud_emulators::{ec2, gce};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    Mock,
    Ec2Emulator,
    Moto,
    GceEmulator,
}

impl BackendKind {
    pub const ALL: &'static [Self] = &[Self::Mock, Self::Ec2Emulator, Self::Moto, Self::GceEmulator];
    /// Those whose faults and state a test can steer.
    pub const STEERED: &'static [Self] = &[Self::Mock, Self::Ec2Emulator, Self::GceEmulator];
    pub const EMULATORS: &'static [Self] = &[Self::Ec2Emulator, Self::GceEmulator];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Ec2Emulator => "ec2-emulator",
            Self::Moto => "moto",
            Self::GceEmulator => "gce-emulator",
        }
    }
}

/// A VM in a cloud's own memory, in cloudctl's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub name: String,
    pub id: String,
    pub state: String,
    pub region: String,
    /// Labels or tags, cloudctl's own among them.
    pub labels: BTreeMap<String, String>,
}

enum Cloud {
    Mock,
    Ec2(ec2::Emulator),
    Moto(Moto),
    Gce(gce::Emulator),
}

pub struct Backend {
    pub kind: BackendKind,
    pub sandbox: Sandbox,
    cloud: Cloud,
}

impl Backend {
    pub fn start(kind: BackendKind) -> Self {
        let mut sandbox = Sandbox::new();
        let cloud = match kind {
            BackendKind::Mock => Cloud::Mock,
            BackendKind::Ec2Emulator => {
                let emulator = ec2::Emulator::start();
                sandbox.point_at_aws(&emulator.url());
                Cloud::Ec2(emulator)
            }
            BackendKind::Moto => {
                let moto = Moto::start();
                sandbox.point_at_aws(&moto.url());
                Cloud::Moto(moto)
            }
            BackendKind::GceEmulator => {
                let emulator = gce::Emulator::start_with_discovery(&python::discovery_document());
                sandbox.point_at_gcp(&emulator.url(), gce::PROJECT);
                Cloud::Gce(emulator)
            }
        };
        Self { kind, sandbox, cloud }
    }

    /// The same cloud, empty, without holding each call against its description: for many of them.
    pub fn start_unchecked(&self) -> Self {
        let Cloud::Gce(_) = &self.cloud else {
            return Self::start(self.kind);
        };
        let emulator = gce::Emulator::start();
        let mut sandbox = Sandbox::new();
        sandbox.point_at_gcp(&emulator.url(), gce::PROJECT);
        Self {
            kind: self.kind,
            sandbox,
            cloud: Cloud::Gce(emulator),
        }
    }

    /// The word for `-p`.
    pub fn provider(&self) -> &'static str {
        match self.kind {
            BackendKind::Mock => "mock",
            BackendKind::Ec2Emulator | BackendKind::Moto => "aws",
            BackendKind::GceEmulator => "gcp",
        }
    }

    pub fn home_region(&self) -> &'static str {
        if self.kind == BackendKind::GceEmulator {
            "us-central1"
        } else {
            "us-east-1"
        }
    }

    pub fn other_region(&self) -> &'static str {
        if self.kind == BackendKind::GceEmulator {
            "europe-west1"
        } else {
            "eu-west-1"
        }
    }

    pub fn home_zone(&self) -> &'static str {
        if self.kind == BackendKind::GceEmulator {
            "us-central1-a"
        } else {
            "us-east-1a"
        }
    }

    /// A machine type that is not the default one.
    pub fn other_type(&self) -> &'static str {
        match self.kind {
            BackendKind::Mock => "large",
            BackendKind::Ec2Emulator | BackendKind::Moto => "m7i.large",
            BackendKind::GceEmulator => "e2-standard-4",
        }
    }

    /// Runs `cloudctl ARGUMENTS -p PROVIDER -o json`.
    pub fn json(&self, arguments: &[&str]) -> Run {
        self.run(&[arguments, &["-o", "json"]].concat())
    }

    /// Runs `cloudctl ARGUMENTS -p PROVIDER`.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.sandbox.run(&[arguments, &["-p", self.provider()]].concat())
    }

    /// What the cloud itself remembers, without what is gone. Compute Engine's word for a VM that is being deleted
    /// is the one for a VM that is being stopped, so there both are given a moment to end.
    pub fn alive(&self) -> Vec<Seen> {
        if let Cloud::Gce(emulator) = &self.cloud {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
            let on_the_way = || emulator.instances().iter().any(|one| one.status == "STOPPING");
            while on_the_way() && std::time::Instant::now() < deadline {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        self.seen()
            .into_iter()
            .filter(|seen| !matches!(seen.state.as_str(), "terminated" | "terminating"))
            .collect()
    }

    /// What the cloud itself remembers.
    pub fn seen(&self) -> Vec<Seen> {
        match &self.cloud {
            Cloud::Mock => self.mock_file()["instances"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| self.seen_on_mock(one))
                .collect(),
            Cloud::Ec2(emulator) => emulator
                .instances()
                .into_iter()
                .map(|one| Seen {
                    name: one.tags.get("Name").cloned().unwrap_or_default(),
                    id: one.id,
                    state: common_state(one.state),
                    region: one.region,
                    labels: one.tags,
                })
                .collect(),
            Cloud::Moto(moto) => self.seen_on_moto(moto),
            Cloud::Gce(emulator) => emulator
                .instances()
                .into_iter()
                .map(|one| Seen {
                    name: one.name,
                    id: one.id,
                    state: common_state(&one.status),
                    region: one
                        .zone
                        .rsplit_once('-')
                        .map(|(region, _)| region.to_owned())
                        .unwrap_or_default(),
                    labels: one.labels,
                })
                .collect(),
        }
    }

    fn mock_path(&self) -> std::path::PathBuf {
        self.sandbox.home().join(".local/state/cloudctl/mock.json")
    }

    fn mock_file(&self) -> Value {
        let text = std::fs::read_to_string(self.mock_path()).unwrap_or_else(|_| "{}".to_owned());
        serde_json::from_str(&text).expect("the mock's file")
    }

    /// The mock's states are a matter of time; its own view of them is asked for through another process.
    fn seen_on_mock(&self, one: &Value) -> Seen {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let labels: BTreeMap<String, String> = serde_json::from_value(one["labels"].clone()).unwrap_or_default();
        let listed = self.json(&["list", "--all"]).items();
        let listed = listed.iter().find(|item| item["id"] == one["id"]);
        Seen {
            name: text("name"),
            id: text("id"),
            state: listed
                .and_then(|item| item["state"].as_str())
                .unwrap_or("terminated")
                .to_owned(),
            region: text("region"),
            labels,
        }
    }

    /// moto's instances, as the AWS command line sees them.
    fn seen_on_moto(&self, moto: &Moto) -> Vec<Seen> {
        let mut all = Vec::new();
        for region in [self.home_region(), self.other_region()] {
            let answer = aws(&moto.url(), &["ec2", "describe-instances", "--region", region]);
            for reservation in answer["Reservations"].as_array().into_iter().flatten() {
                for one in reservation["Instances"].as_array().into_iter().flatten() {
                    let tags = one["Tags"].as_array().into_iter().flatten();
                    let labels: BTreeMap<String, String> = tags
                        .map(|tag| {
                            (
                                tag["Key"].as_str().unwrap_or_default().to_owned(),
                                tag["Value"].as_str().unwrap_or_default().to_owned(),
                            )
                        })
                        .collect();
                    all.push(Seen {
                        name: labels.get("Name").cloned().unwrap_or_default(),
                        id: one["InstanceId"].as_str().unwrap_or_default().to_owned(),
                        state: common_state(one["State"]["Name"].as_str().unwrap_or_default()),
                        region: region.to_owned(),
                        labels,
                    });
                }
            }
        }
        all
    }

    /// Makes a VM that is not ours, and gives its id when it runs: what it is then it stays by itself.
    pub fn create_from_outside(&self, name: &str) -> String {
        match &self.cloud {
            Cloud::Mock => {
                let made = self.json(&["create", name]).expect(0).item();
                let mut file = self.mock_file();
                for one in file["instances"].as_array_mut().into_iter().flatten() {
                    if one["id"] == made["id"] {
                        one["labels"] = serde_json::json!({});
                    }
                }
                std::fs::write(self.mock_path(), file.to_string()).expect("the mock's file");
                made["id"].as_str().unwrap_or_default().to_owned()
            }
            Cloud::Ec2(emulator) => {
                let image = emulator
                    .image_id(
                        self.home_region(),
                        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022",
                    )
                    .expect("the image");
                let id = run_instance(&emulator.url(), &image, name);
                let starts = || {
                    emulator
                        .instances()
                        .iter()
                        .any(|one| one.id == id && one.state == "pending")
                };
                while starts() {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                id
            }
            Cloud::Moto(moto) => run_instance(&moto.url(), "ami-0aaaaaaaaaaaaaa01", name),
            Cloud::Gce(emulator) => {
                emulator.create_from_outside(self.home_zone(), name, &[]);
                emulator.instance(name).expect("the VM").id
            }
        }
    }

    /// Where EC2 is, for a client that we did not write.
    pub fn url(&self) -> String {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.url(),
            Cloud::Moto(moto) => moto.url(),
            Cloud::Mock | Cloud::Gce(_) => panic!("{:?} is no EC2", self.kind),
        }
    }

    /// The EC2 emulator, where this backend is it.
    pub fn ec2(&self) -> Option<&ec2::Emulator> {
        if let Cloud::Ec2(emulator) = &self.cloud {
            Some(emulator)
        } else {
            None
        }
    }

    /// The Compute Engine emulator, where this backend is it.
    pub fn gce(&self) -> Option<&gce::Emulator> {
        if let Cloud::Gce(emulator) = &self.cloud {
            Some(emulator)
        } else {
            None
        }
    }

    /// Injects a fault into this backend's emulator.
    pub fn inject(&self, fault: Fault) {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.inject(fault),
            Cloud::Gce(emulator) => emulator.inject(fault),
            Cloud::Mock | Cloud::Moto(_) => panic!("{:?} takes no faults", self.kind),
        }
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.clear_faults(),
            Cloud::Gce(emulator) => emulator.clear_faults(),
            Cloud::Mock | Cloud::Moto(_) => {}
        }
    }

    /// Every call that this backend's emulator got.
    pub fn calls(&self) -> Vec<Call> {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.calls(),
            Cloud::Gce(emulator) => emulator.calls(),
            Cloud::Mock | Cloud::Moto(_) => panic!("{:?} has no log of calls", self.kind),
        }
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| call.operation.name == operation)
            .count()
    }

    /// Moves the emulator's clock on.
    pub fn advance(&self, by: std::time::Duration) {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.advance(by),
            Cloud::Gce(emulator) => emulator.advance(by),
            Cloud::Mock | Cloud::Moto(_) => panic!("{:?} has no clock of its own", self.kind),
        }
    }

    /// The create call's name in the API.
    pub fn create_call(&self) -> &'static str {
        if self.gce().is_some() {
            "instances.insert"
        } else {
            "RunInstances"
        }
    }

    /// The name in the API of the call that makes a group.
    pub fn group_call(&self) -> &'static str {
        if self.gce().is_some() {
            "instances.bulkInsert"
        } else {
            "RunInstances"
        }
    }

    /// The name in the API of the call that lists a region.
    pub fn list_call(&self) -> &'static str {
        if self.gce().is_some() {
            "instances.aggregatedList"
        } else {
            "DescribeInstances"
        }
    }

    /// The name in the API of the call that ends instances.
    pub fn terminate_call(&self) -> &'static str {
        if self.gce().is_some() {
            "instances.delete"
        } else {
            "TerminateInstances"
        }
    }

    /// The disks that are there, attached or left behind, by their own ids.
    pub fn disks(&self) -> Vec<String> {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.volumes().into_iter().map(|volume| volume.id).collect(),
            Cloud::Gce(emulator) => emulator.disks().into_iter().map(|disk| disk.name).collect(),
            Cloud::Mock | Cloud::Moto(_) => Vec::new(),
        }
    }

    /// The disks that no VM has, by their own ids.
    pub fn orphan_disks(&self) -> Vec<String> {
        match &self.cloud {
            Cloud::Ec2(emulator) => {
                let volumes = emulator.volumes().into_iter();
                let free = volumes.filter(|volume| volume.instance.is_none());
                free.map(|volume| volume.id).collect()
            }
            Cloud::Gce(emulator) => {
                let disks = emulator.disks().into_iter();
                disks.filter(|disk| disk.user.is_none()).map(|disk| disk.name).collect()
            }
            Cloud::Mock | Cloud::Moto(_) => Vec::new(),
        }
    }

    /// Reads do not see a new VM for so long.
    pub fn set_lag(&self, lag: std::time::Duration) {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.set_lag(lag),
            Cloud::Gce(emulator) => emulator.set_lag(lag),
            Cloud::Mock | Cloud::Moto(_) => panic!("{:?} does not lag", self.kind),
        }
    }

    /// How long a VM takes from one state to the next.
    pub fn set_transition(&self, time: std::time::Duration) {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.set_transition(time),
            Cloud::Gce(emulator) => emulator.set_transition_time(time),
            Cloud::Mock | Cloud::Moto(_) => panic!("{:?} has a pace of its own", self.kind),
        }
    }

    /// A way in for one process, with faults and a log of calls of its own.
    pub fn open_endpoint(&self) -> Endpoint {
        match &self.cloud {
            Cloud::Ec2(emulator) => emulator.open_endpoint(),
            Cloud::Gce(emulator) => emulator.open_endpoint(),
            Cloud::Mock | Cloud::Moto(_) => panic!("{:?} has no endpoints", self.kind),
        }
    }

    /// `cloudctl ARGUMENTS -p PROVIDER`, for tests that steer the process themselves.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        self.sandbox.command(&[arguments, &["-p", self.provider()]].concat())
    }

    /// The same through an endpoint.
    pub fn command_through(&self, endpoint: &Endpoint, arguments: &[&str]) -> std::process::Command {
        let mut command = self.command(arguments);
        match &self.cloud {
            Cloud::Gce(_) => command.env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
                format!("{}/compute/v1/", endpoint.url),
            ),
            _ => command.env("AWS_ENDPOINT_URL", &endpoint.url),
        };
        command
    }

    /// Every request fitted Google's description of the API, and so did the emulator's own answers.
    pub fn check_honesty(&self) {
        if let Cloud::Gce(emulator) = &self.cloud {
            assert_eq!(emulator.violations(), Vec::<String>::new());
        }
    }
}

fn common_state(native: &str) -> String {
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

fn run_instance(url: &str, image: &str, name: &str) -> String {
    let tags = format!("ResourceType=instance,Tags=[{{Key=Name,Value={name}}}]");
    let answer = aws(
        url,
        &[
            "ec2",
            "run-instances",
            "--image-id",
            image,
            "--instance-type",
            "t3.small",
            "--tag-specifications",
            &tags,
        ],
    );
    answer["Instances"][0]["InstanceId"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
