//! Other clients beside cloudctl: the AWS command line, gcloud and Google's Python library see the VMs that cloudctl
//! creates, and cloudctl sees theirs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use cloud_emulators::client_commands::{self, Gcloud};
use cloud_emulators::python_environment;
use cloud_emulators::{ec2, gce};
use support::clouds::moto::Moto;
use support::sandbox::Sandbox;
use support::test_cloud::TestCloud;

/// Whether there is a gcloud to ask; says so where there is none.
fn has_gcloud() -> bool {
    let installed = Gcloud::is_installed();
    if !installed {
        // Not a macro: those are captured, and a test that passes would say nothing.
        let _ = writeln!(std::io::stderr(), "gcloud is not on PATH: not tested");
    }
    installed
}

#[test]
fn aws_and_cloudctl_see_the_same_vms_on_the_ec2_emulator() {
    let emulator = ec2::Emulator::start();
    aws_and_cloudctl_see_the_same_vms(&emulator.url());
}

#[test]
fn aws_and_cloudctl_see_the_same_vms_on_moto() {
    let _stop = StopMoto;
    let moto = Moto::start();
    aws_and_cloudctl_see_the_same_vms(&moto.url());
}

fn aws_and_cloudctl_see_the_same_vms(url: &str) {
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(url);
    let image = client_commands::aws(
        url,
        &[
            "ec2",
            "describe-images",
            "--filters",
            "Name=name,Values=ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
        ],
    );
    let image = text(&image["Images"][0]["ImageId"]);
    let witness = Witness {
        provider: "aws",
        managed_name: Some("Name"),
        look: &|| {
            let answer = client_commands::aws(url, &["ec2", "describe-instances"]);
            let reservations = rows(&answer["Reservations"]);
            let instances = reservations.iter().flat_map(|one| rows(&one["Instances"]));
            instances.map(|one| of_ec2(&one)).collect()
        },
        make: &|name, key, value| {
            let tags = format!("ResourceType=instance,Tags=[{{Key=Name,Value={name}}},{{Key={key},Value={value}}}]");
            let arguments = [
                "ec2",
                "run-instances",
                "--image-id",
                &image,
                "--instance-type",
                "t3.small",
            ];
            client_commands::aws(url, &[&arguments[..], &["--tag-specifications", &tags]].concat());
        },
    };
    both_see_the_same_vms(&sandbox, &witness);
}

/// gcloud comes from no package registry, so a machine may lack it: this test then says so, and passes.
#[test]
fn gcloud_and_cloudctl_see_the_same_vms() {
    if !has_gcloud() {
        return;
    }
    let emulator = gce::Emulator::start_with_discovery(&python_environment::discovery_document());
    let gcloud = Gcloud::at(&emulator.url(), gce::PROJECT);
    let look = || rows(&gcloud.instances(&["list"])).iter().map(of_gce).collect();
    let make = |name: &str, key: &str, value: &str| {
        let labels = format!("{key}={value}");
        let arguments = ["create", name, "--zone", "europe-west1-b", "--labels", &labels];
        gcloud.instances(&arguments);
    };
    gce_client_and_cloudctl_see_the_same_vms(&emulator, &look, &make);
}

#[test]
fn google_cloud_compute_and_cloudctl_see_the_same_vms() {
    let emulator = gce::Emulator::start_with_discovery(&python_environment::discovery_document());
    let script = |arguments: &[&str]| {
        let mut script = client_commands::script("gce_vms.py");
        script.args([&emulator.url(), gce::PROJECT]).args(arguments);
        client_commands::json(script)
    };
    let look = || rows(&script(&["list"])).iter().map(of_gce).collect();
    let make = |name: &str, key: &str, value: &str| {
        script(&["create", name, "europe-west1-b", &format!("{key}={value}")]);
    };
    gce_client_and_cloudctl_see_the_same_vms(&emulator, &look, &make);
}

fn gce_client_and_cloudctl_see_the_same_vms(
    emulator: &gce::Emulator,
    look: &dyn Fn() -> Vec<Seen>,
    make: &dyn Fn(&str, &str, &str),
) {
    let mut sandbox = Sandbox::new();
    sandbox.point_at_gcp(&emulator.url(), gce::PROJECT);
    let witness = Witness {
        provider: "gcp",
        managed_name: None,
        look,
        make,
    };
    both_see_the_same_vms(&sandbox, &witness);
    assert_eq!(emulator.violations(), Vec::<String>::new());
}

/// A client that we did not write, pointed at the same cloud as cloudctl.
struct Witness<'a> {
    provider: &'static str,
    /// The tag that carries a VM's name, where the cloud keeps it so.
    managed_name: Option<&'static str>,
    /// All VMs that the client sees.
    look: &'a dyn Fn() -> Vec<Seen>,
    /// Makes a VM of a name, with one label.
    make: &'a dyn Fn(&str, &str, &str),
}

/// A VM as a witness tells of it.
#[derive(Debug)]
struct Seen {
    /// In the names and the form of cloudctl's items.
    fields: Value,
    /// Labels or tags, all of them.
    labels: BTreeMap<String, String>,
}

/// One life of a VM through the real binary, with the witness asked after each step; then a VM of the witness.
fn both_see_the_same_vms(sandbox: &Sandbox, witness: &Witness) {
    let cloudctl = |arguments: &[&str]| {
        let run = sandbox.run(&[arguments, &["-p", witness.provider, "-o", "json"]].concat());
        run.expect(0)
    };

    let made = cloudctl(&["create", "web-1", "-l", "env=ci", "-l", "team=web"]).item();
    let labels = witness.agrees(&made, "running");
    assert_eq!(labels.get("cloudctl-managed").map(String::as_str), Some("true"));
    assert_eq!(made["labels"], json!({"env": "ci", "team": "web"}));
    for step in [&["list"][..], &["describe", "web-1"]] {
        let item = cloudctl(step).item();
        assert_eq!(item["id"], made["id"], "{step:?}");
        assert_eq!(witness.agrees(&item, "running"), labels, "{step:?} changes nothing");
    }

    for (step, state) in [("stop", "stopped"), ("start", "running")] {
        cloudctl(&[step, "web-1"]);
        let item = cloudctl(&["wait", "web-1", "--for", state]).item();
        assert_eq!(item["id"], made["id"], "{step}");
        assert_eq!(witness.agrees(&item, state), labels, "{step} keeps the labels");
    }

    cloudctl(&["terminate", "web-1", "-y", "--wait"]);
    assert!(witness.sees_no("web-1"));

    (witness.make)("theirs", "team", "blue");
    let theirs = cloudctl(&["list"]).item();
    assert_eq!(theirs["name"], "theirs");
    assert_eq!(theirs["managed"], false);
    assert_eq!(theirs["labels"], json!({"team": "blue"}));
    // Some clients do not wait for what they make.
    let theirs = cloudctl(&["wait", "theirs", "--for", "running"]).item();
    witness.agrees(&theirs, "running");
}

impl Witness<'_> {
    /// The witness sees one VM that lives, and of that the same as `item` says. Gives all its labels or tags.
    #[track_caller]
    fn agrees(&self, item: &Value, state: &str) -> BTreeMap<String, String> {
        let mut alive = self.alive();
        assert_eq!(alive.len(), 1, "{alive:?}");
        let seen = alive.remove(0);
        for (field, value) in seen.fields.as_object().expect("fields") {
            assert_eq!(item[field], *value, "{field}: of cloudctl, of the witness");
        }
        assert_eq!(item["state"], state);
        if let Some(tag) = self.managed_name {
            assert_eq!(seen.labels.get(tag).map(String::as_str), item["name"].as_str());
        }
        for (key, value) in item["labels"].as_object().expect("labels") {
            assert_eq!(seen.labels.get(key).map(String::as_str), value.as_str(), "{key}");
        }
        seen.labels
    }

    fn sees_no(&self, name: &str) -> bool {
        self.alive().iter().all(|seen| seen.fields["name"] != name)
    }

    /// EC2 goes on to show what is terminated for a while; Compute Engine forgets it.
    fn alive(&self) -> Vec<Seen> {
        let mut seen = (self.look)();
        seen.retain(|one| one.fields["native_state"] != "terminated");
        seen
    }
}

fn of_ec2(one: &Value) -> Seen {
    let tags = rows(&one["Tags"]);
    let labels: BTreeMap<String, String> = tags
        .iter()
        .map(|tag| (text(&tag["Key"]), text(&tag["Value"])))
        .collect();
    Seen {
        fields: json!({
            "name": labels.get("Name"),
            "id": one["InstanceId"],
            "native_state": one["State"]["Name"],
            "machine_type": one["InstanceType"],
            "zone": one["Placement"]["AvailabilityZone"],
            "private_ip": one["PrivateIpAddress"],
            "public_ip": filled(&one["PublicIpAddress"]),
        }),
        labels,
    }
}

fn of_gce(one: &Value) -> Seen {
    let interface = &one["networkInterfaces"][0];
    let base = |value: &Value| text(value).rsplit('/').next().unwrap_or_default().to_owned();
    Seen {
        fields: json!({
            "name": one["name"],
            "id": one["id"],
            "native_state": one["status"],
            "machine_type": base(&one["machineType"]),
            "zone": base(&one["zone"]),
            "private_ip": interface["networkIP"],
            "public_ip": filled(&interface["accessConfigs"][0]["natIP"]),
        }),
        labels: serde_json::from_value(one["labels"].clone()).unwrap_or_default(),
    }
}

/// Some clients say "" where there is nothing.
fn filled(value: &Value) -> Value {
    value.as_str().filter(|text| !text.is_empty()).into()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Ends moto's server once its test is over, passed or failed. To be made before [`Moto`], and so dropped after it.
struct StopMoto;

impl Drop for StopMoto {
    fn drop(&mut self) {
        Moto::stop();
    }
}
