//! The progress of a wait on a terminal, and Ctrl-C.

use super::{Step, written_in_steps};
use crate::create;
use crate::support::sandbox::Sandbox;

#[test]
fn wait_shows_progress_until_the_state_is_reached() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    let steps = [Step {
        until: "web-1 is running, not yet stopped   1s",
        run: "$CLOUDCTL stop web-1 -p mock",
        keys: "",
    }];
    let run = written_in_steps(&sandbox, 100, &["wait", "web-1", "stopped", "-p", "mock"], &steps);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("nothing is stopping it yet"), "{}", run.stdout);
}

#[test]
fn start_wait_ended_by_ctrl_c_says_the_change_was_accepted() {
    let mut sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    sandbox.run("stop web-1 -p mock --wait").expect(0);
    sandbox.set("CLOUDCTL_MOCK", "slow-boot=60s");
    let steps = [Step {
        until: "web-1 is pending, not yet running",
        run: ":",
        keys: "\u{3}",
    }];
    let run = written_in_steps(&sandbox, 100, &["start", "web-1", "-p", "mock", "--wait"], &steps);
    assert_eq!(run.code, 8, "{}", run.stdout);
    for text in ["the cloud has accepted the start", "is pending, not running", "web-1"] {
        assert!(run.stdout.contains(text), "{text}: {}", run.stdout);
    }
}

#[test]
fn address_released_by_a_stop_is_said_on_terminals() {
    let sandbox = Sandbox::new();
    let made = create(&sandbox, &["web-1"]);
    let address = made["public_ip"].as_str().expect("an address");
    let run = written_in_steps(&sandbox, 100, &["stop", "web-1", "-p", "mock", "--wait"], &[]);
    assert!(
        run.stdout
            .contains(&format!("it no longer has the public address {address}")),
        "{}",
        run.stdout
    );
    let piped = sandbox.run("start web-1 -p mock --wait").expect(0);
    piped.expect_in_stderr("web-1: its public address is now ");
}
