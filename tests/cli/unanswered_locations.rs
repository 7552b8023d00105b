//! While a location does not answer, no command changes anything by name, and no list is called complete.

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use crate::{create, names};
use cloud_emulators::ec2;

#[test]
fn name_that_may_exist_elsewhere_changes_nothing() {
    let mut sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1"]);
    create(&sandbox, &["web-1", "-r", "eu-west-1"]);
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    for verb in [&["terminate", "-y"][..], &["stop"], &["reboot"]] {
        let refused = sandbox.run(&[verb, &["web-1", "-p", "mock"]].concat()).expect(6);
        refused.expect_in_stderr("mock/eu-west-1");
    }
    let id = made["id"].as_str().unwrap();
    sandbox.run(&["terminate", id, "-y", "-p", "mock", "--wait"]).expect(0);
    sandbox.unset("CLOUDCTL_MOCK");
    assert_eq!(names(&sandbox), ["web-1"], "the other one is alive");
}

#[test]
fn name_not_seen_in_a_gap_is_not_absent() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    sandbox.run("terminate web-1 -y --ignore-not-found -p mock").expect(7);
}

#[test]
fn each_region_is_asked_of_every_cloud_that_has_it() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.set("AWS_ENDPOINT_URL", &emulator.url());
    sandbox
        .set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .set("AWS_SECRET_ACCESS_KEY", "a-secret");
    create(&sandbox, &["here"]);
    emulator.seed_instances("us-west-2", 1);
    let both = "list -p mock -p aws -r us-east-1 -r us-west-2 -o json";
    let run = sandbox.run(both).expect(0);
    let mut providers: Vec<_> = run.items().iter().map(|item| item["provider"].clone()).collect();
    providers.sort_by_key(Value::to_string);
    assert_eq!(providers, ["aws", "mock"]);
    run.expect_in_stderr("mock is left out").expect_in_stderr("us-west-2");
    let unknown = sandbox.run("list -p mock -p aws -r us-east-1 -r moon-1").expect(2);
    unknown.expect_in_stderr("moon-1");
}

#[test]
fn location_comes_from_flag_then_file_then_variable() {
    let mut sandbox = Sandbox::new();
    sandbox
        .set("CLOUDCTL_REGION", "us-east-1")
        .set("CLOUDCTL_ZONE", "us-east-1a");
    let spec = sandbox.write("spec.toml", "region = \"eu-west-1\"\n");
    assert_eq!(create(&sandbox, &["one"])["zone"], "us-east-1a");
    assert_eq!(create(&sandbox, &["two", "-f", &spec])["region"], "eu-west-1");
    assert_eq!(
        create(&sandbox, &["three", "-f", &spec, "-z", "ap-south-1a"])["zone"],
        "ap-south-1a"
    );
    assert_eq!(create(&sandbox, &["four", "-r", "ap-south-1"])["region"], "ap-south-1");
}

#[test]
fn expect_hint_shows_the_accepted_number() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["safe", "--protect", "-l", "env=ci"]);
    let many = "create -p mock web --count 11 -l env=ci --wait none";
    sandbox.run(many).expect(0);
    let asked = sandbox.run("terminate -l env=ci -y -p mock").expect(2);
    asked.expect_in_stderr("pass --expect 12");
    sandbox.run("terminate -l env=ci -y -p mock --expect 12").expect(7);
    assert_eq!(names(&sandbox), ["safe"]);
}

#[test]
fn wait_ends_in_time_although_the_cloud_is_silent() {
    let mut sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    sandbox.set("CLOUDCTL_MOCK", "latency=120s");
    let since = std::time::Instant::now();
    let run = sandbox.run("wait web-1 -p mock --timeout 1s").expect(9);
    assert!(
        since.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        since.elapsed()
    );
    run.expect_in_stderr("could not get the state of web-1 within");
}
