//! What is stored for longer than a run: in the clouds, and in files. A rerun after an upgrade finds its VMs by these
//! labels, names and tokens, so a change of them would make second VMs, or leave rules and keys behind.
//!
//! The texts in `stored/` are not written by `REPLAY=record`: who means to change one edits it by hand.
//! Fixed here: the fingerprint in `cloudctl-spec`, the client token of EC2, the request id of a create call at Compute
//! Engine, all labels and names. Not fixed, since they are random: ids of the mock cloud, and the request ids of all
//! calls to Compute Engine that create no VM.

use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

use crate::compare::difference;
use crate::emulated_clouds::{RunningCloud, ec2, gce};
use crate::normalize::Normalizer;
use crate::sandbox::Sandbox;
use crate::scenario_run::{MOCK_FILE, new_sandbox, read_file, start_cloud};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me\n";
const FULL: &str = "--ssh-key key.pub --user-data init.sh --open 22,443/203.0.113.0/24,80/2001:db8::/32 -l env=ci \
                    --protect --ttl 2h --disk 20";

fn sandbox() -> Sandbox {
    let sandbox = new_sandbox();
    sandbox.write("key.pub", KEY);
    sandbox.write("init.sh", "#!/bin/sh\necho hello\n");
    sandbox
}

#[track_caller]
fn check(name: &str, expected: &str, actual: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (expected, actual) = (lines(expected), lines(actual));
    assert!(
        expected == actual,
        "what is stored is not as in tests/replay/stored/{name}:\n{}",
        difference(0, &expected, &actual)
    );
}

#[test]
fn ec2_calls_store_what_they_always_stored() {
    let mut sandbox = sandbox();
    let cloud = start_cloud(&mut sandbox, "ec2");
    let RunningCloud::Ec2(emulator) = &cloud else {
        panic!("another cloud than EC2 was started")
    };
    emulator.set_transition(Duration::ZERO);
    sandbox
        .run("create plain -p aws --type t3.small --ssh-key none -q")
        .expect(0);
    sandbox.run("terminate plain -p aws -y --wait -q").expect(0);
    sandbox
        .run("create plain -p aws --type t3.small --ssh-key none -q")
        .expect(0);
    sandbox
        .run("create other -p aws --type t3.small --ssh-key none -r eu-west-1 -q")
        .expect(0);
    sandbox
        .run(&format!(
            "create full -p aws --type m7g.large --image debian-12 {FULL} -l Team=web -q"
        ))
        .expect(0);
    sandbox
        .run("create group -p aws --cpus 2 --memory 4 --count 2 --spot -q")
        .expect(0);
    emulator.exhaust_type("t3.small");
    sandbox
        .run("create next -p aws --cpus 2 --memory 2 --fallback type --ssh-key none -q")
        .expect(0);
    check("ec2.txt", include_str!("stored/ec2.txt"), &ec2_text(emulator));
}

/// The calls that change something, with their parameters, in the order of their texts: some are made at the same time.
fn ec2_text(emulator: &ec2::Emulator) -> String {
    let mut texts = Vec::new();
    for call in emulator.calls() {
        let name = &call.operation.name;
        if name.starts_with("Describe") {
            continue;
        }
        let mut text = format!("{name} in {}\n", call.operation.location);
        let body = String::from_utf8_lossy(&call.request.body).into_owned();
        for (key, value) in body.split('&').filter_map(|pair| pair.split_once('=')) {
            let (key, value) = (decode_url(key), decode_url(value));
            match key.as_str() {
                "Action" | "Version" => {}
                "UserData" => text.push_str(&user_data_text(&value)),
                // The emulator's own ids are no matter of ours.
                "ImageId" | "GroupId" => {}
                _ if key.starts_with("SecurityGroupId.") || key.starts_with("InstanceId.") => {}
                _ if key.starts_with("ResourceId.") => {}
                _ => text.push_str(&format!("  {key}={value}\n")),
            }
        }
        texts.push(text);
    }
    texts.sort();
    texts.concat()
}

/// The script that ends a VM and the user's own, without comments; the border between them is a digest of both.
fn user_data_text(encoded: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .expect("base64");
    let script = String::from_utf8_lossy(&bytes).into_owned();
    let border = script.split('"').nth(1).expect("a border").to_owned();
    let script = script.replace(&border, "BORDER");
    let is_comment = |line: &str| line.trim_start().starts_with("# ");
    let lines = script.lines().filter(|line| !is_comment(line));
    lines
        .map(|line| format!("    {line}").trim_end().to_owned() + "\n")
        .collect()
}

fn decode_url(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two digits"));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn compute_engine_calls_store_what_they_always_stored() {
    let mut sandbox = sandbox();
    let cloud = start_cloud(&mut sandbox, "gce");
    let RunningCloud::Gce(emulator) = &cloud else {
        panic!("another cloud than Compute Engine was started")
    };
    emulator.set_transition_time(Duration::ZERO);
    sandbox
        .run("create plain -p gcp --type e2-small --ssh-key none -q")
        .expect(0);
    sandbox.run("terminate plain -p gcp -y --wait -q").expect(0);
    sandbox
        .run("create plain -p gcp --type e2-small --ssh-key none -q")
        .expect(0);
    sandbox
        .run("create other -p gcp --type e2-small --ssh-key none -r europe-west1 -q")
        .expect(0);
    sandbox
        .run(&format!(
            "create full -p gcp --type e2-standard-2 --image debian-12 {FULL} -l team=web -q"
        ))
        .expect(0);
    sandbox
        .run("create group -p gcp --cpus 2 --memory 4 --count 2 --spot -q")
        .expect(0);
    check("gce.txt", include_str!("stored/gce.txt"), &gce_text(emulator));
}

/// The calls that make something, with their bodies, in the order of their texts: some are made at the same time.
fn gce_text(emulator: &gce::Emulator) -> String {
    let mut texts = Vec::new();
    for call in emulator.calls() {
        let name = &call.operation.name;
        if call.request.method != "POST" || name.ends_with(".wait") {
            continue;
        }
        let mut text = format!("{name} {}\n", call.request.path);
        if name.starts_with("instances.") && !name.starts_with("instances.delete") {
            let id = call
                .request
                .query
                .split('&')
                .find(|part| part.starts_with("requestId="));
            text.push_str(&format!("  {}\n", id.expect("a request id")));
        }
        let body: Value = serde_json::from_slice(&call.request.body).expect("JSON");
        put_json(&mut text, 1, "", &body);
        texts.push(text);
    }
    texts.sort();
    texts.concat()
}

/// JSON as indented lines, with the keys of objects in their order.
fn put_json(text: &mut String, depth: usize, key: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    let label = if key.is_empty() {
        "-".to_owned()
    } else {
        format!("{key}:")
    };
    match value {
        Value::Object(fields) => {
            text.push_str(&format!("{indent}{label}\n"));
            let sorted: std::collections::BTreeMap<_, _> = fields.iter().collect();
            for (key, value) in sorted {
                put_json(text, depth + 1, key, value);
            }
        }
        Value::Array(items) => {
            text.push_str(&format!("{indent}{label}\n"));
            for item in items {
                put_json(text, depth + 1, "", item);
            }
        }
        value => text.push_str(&format!("{indent}{label} {value}\n")),
    }
}

#[test]
fn mock_cloud_stores_what_it_always_stored() {
    let sandbox = sandbox();
    let mut normalizer = Normalizer::new(&sandbox.folder().to_string_lossy());
    for line in [
        "create plain -p mock -q",
        "terminate plain -p mock -y -q --wait",
        "create plain -p mock -q",
        "create group -p mock --count 2 --cpus 4 --arch arm64 -q",
        "create spot -p mock --spot --native fail_after_seconds=3600 -q",
        "stop plain -p mock -q",
    ] {
        sandbox.run(line).expect(0);
    }
    let full = "create full -p mock -z eu-west-1b --type arm-large --image debian-12 --disk-type standard \
                --firewall web --firewall db --no-public-ip --identity robot";
    sandbox.run(&format!("{full} {FULL} -q")).expect(0);
    let text = read_file(&sandbox, MOCK_FILE).expect("the mock cloud's file");
    check(
        "mock.txt",
        include_str!("stored/mock.txt"),
        &normalizer.normalize(&text),
    );
}

#[test]
fn fetched_prices_are_stored_as_they_always_were() {
    let mut sandbox = sandbox();
    let _cloud = start_cloud(&mut sandbox, "prices");
    sandbox.run("catalog update -q").expect(0);
    let text = read_file(&sandbox, "home/.cache/cloudctl/prices.tsv").expect("the file of prices");
    let mut normalizer = Normalizer::new(&sandbox.folder().to_string_lossy());
    check(
        "prices.txt",
        include_str!("stored/prices.txt"),
        &normalizer.normalize(&text),
    );
}

#[test]
fn choice_of_a_context_changes_one_value_of_the_file() {
    let sandbox = sandbox();
    let file = "home/.config/cloudctl/config.toml";
    let text =
        "# Mine.\ncurrent = \"a\" # by hand\n\n[contexts.a] # the first\nprovider   = \"mock\"\n\n[contexts.b]\n";
    sandbox.write(file, text);
    sandbox.run("context use b").expect(0);
    let expected = text.replace("current = \"a\"", "current = \"b\"");
    check("config.toml", &expected, &read_file(&sandbox, file).expect("the file"));
    sandbox.write(file, "[contexts.b]\n");
    sandbox.run("context use b").expect(0);
    check(
        "config.toml",
        "current = \"b\"\n[contexts.b]\n",
        &read_file(&sandbox, file).expect("the file"),
    );
}
