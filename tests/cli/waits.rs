//! `wait`, and `start`, `stop` and `reboot` with `--wait`.

use crate::create;
use crate::support::sandbox::Sandbox;

fn sandbox_with_one() -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    sandbox
}

#[test]
fn power_commands_wait_for_their_state() {
    let sandbox = sandbox_with_one();
    // A VM that restarts is "running" all the time.
    for (verb, state) in [("stop", "stopped"), ("start", "running"), ("reboot", "running")] {
        let run = sandbox.run(&format!("{verb} web-1 -p mock --wait -o json")).expect(0);
        assert_eq!(run.item()["state"], state, "{verb}");
    }
}

#[test]
fn power_wait_times_out_with_the_code_of_wait() {
    let mut sandbox = sandbox_with_one();
    sandbox.run("stop web-1 -p mock --wait").expect(0);
    sandbox.set("CLOUDCTL_MOCK", "slow-boot=60s");
    let run = sandbox.run("start web-1 -p mock --wait --timeout 1s -o json").expect(8);
    assert_eq!(run.error_kinds(), ["timeout"]);
    assert_eq!(run.item()["state"], "pending");
}

#[test]
fn power_wait_keeps_the_order_of_the_names() {
    let sandbox = sandbox_with_one();
    create(&sandbox, &["web-2"]);
    let run = sandbox.run("stop web-2 web-1 -p mock --wait -o name").expect(0);
    assert_eq!(run.stdout, "web-2\nweb-1\n");
}

#[test]
fn timeout_of_a_power_command_needs_wait() {
    let sandbox = sandbox_with_one();
    let run = sandbox.run("stop web-1 -p mock --timeout 1m").expect(2);
    run.expect_in_stderr("--wait");
    assert_eq!(sandbox.run("list -p mock -o json").expect(0).item()["state"], "running");
}

#[test]
fn start_wait_says_the_new_address() {
    let sandbox = sandbox_with_one();
    sandbox.run("stop web-1 -p mock --wait").expect(0);
    let run = sandbox.run("start web-1 -p mock --wait -o json").expect(0);
    let address = run.item()["public_ip"].as_str().expect("an address").to_owned();
    run.expect_in_stderr(format!("web-1: its public address is now {address}"));
    // Nothing was changed by a second start.
    let again = sandbox.run("start web-1 -p mock --wait").expect(0);
    again.expect_not_in_stderr("public address");
}

#[test]
fn wait_says_at_once_that_nothing_leads_there() {
    let sandbox = sandbox_with_one();
    create(&sandbox, &["web-2"]);
    let run = sandbox.run("wait web-1 --for stopped --timeout 1s -p mock").expect(8);
    run.expect_in_stderr("web-1 is running, and nothing is stopping it yet; waiting up to 1s");
    run.expect_in_stderr("stop it: cloudctl stop mock/us-east-1/");
    let both = sandbox
        .run("wait web-1 web-2 --for terminated --timeout 1s -p mock")
        .expect(8);
    both.expect_in_stderr("web-1 and web-2 are running, and nothing is terminating them yet; waiting up to 1s");
    sandbox.run("stop web-1 -p mock").expect(0);
    let stopping = sandbox.run("wait web-1 --for stopped -p mock").expect(0);
    stopping.expect_not_in_stderr("yet");
    let stopped = sandbox.run("wait web-1 --timeout 1s -p mock").expect(8);
    stopped.expect_in_stderr("web-1 is stopped, and nothing is starting it yet");
}

#[test]
fn wait_for_a_vm_whose_ttl_ends_it_says_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    create(&sandbox, &["web-1", "--ttl", "5s"]);
    let run = sandbox
        .run("wait web-1 --for terminated --timeout 1m -p mock")
        .expect(0);
    run.expect_not_in_stderr("yet");
}

#[test]
fn wait_takes_the_state_as_the_last_word() {
    let sandbox = sandbox_with_one();
    create(&sandbox, &["web-2"]);
    sandbox.run("stop web-1 web-2 -p mock").expect(0);
    let run = sandbox
        .run("wait web-1 web-2 stopped -p mock -o columns=state")
        .expect(0);
    assert_eq!(run.stdout, "STATE\nstopped\nstopped\n");
    for state in ["--for=state=stopped", "--for state=stopped", "--for stopped"] {
        sandbox.run(&format!("wait web-1 {state} -p mock")).expect(0);
    }
    sandbox.run("terminate web-1 web-2 -y -p mock").expect(0);
    sandbox.run("wait web-1 gone -p mock").expect(0);
}

#[test]
fn wait_takes_the_state_beside_a_full_reference() {
    let sandbox = sandbox_with_one();
    let reference = sandbox.run("list -p mock -o ref").expect(0).stdout;
    sandbox.run("stop web-1 -p mock").expect(0);
    // No provider is given, and none is asked for a VM called "stopped".
    sandbox.run(&["wait", reference.trim(), "stopped"]).expect(0);
}

#[test]
fn wait_prefers_a_vm_that_has_the_name_of_a_state() {
    let sandbox = sandbox_with_one();
    create(&sandbox, &["stopped"]);
    let run = sandbox.run("wait web-1 stopped -p mock -o name").expect(0);
    assert_eq!(run.stdout, "web-1\nstopped\n");
    // With --for the words are all names.
    let named = sandbox.run("wait web-1 running --for running -p mock").expect(3);
    named.expect_in_stderr("no VM is called running");
    let alone = sandbox.run("wait running -p mock").expect(3);
    alone.expect_in_stderr("no VM is called running");
}

#[test]
fn wait_takes_the_state_beside_a_selector() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox.run("create web-1 -p mock -l team=blue").expect(0);
    sandbox.run("wait -l team=blue running -p mock").expect(0);
    let late = sandbox.run("wait -l team=blue stopped -p mock --timeout 1s").expect(8);
    late.expect_in_stderr("web-1 is running, and nothing is stopping it yet");
    for words in [
        "wait web-1 -l team=blue -p mock",
        "wait -l team=blue stopped --for running -p mock",
    ] {
        sandbox
            .run(words)
            .expect(2)
            .expect_in_stderr("name the VMs, or select them");
    }
}
