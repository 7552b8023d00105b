//! Price limits: they hold for VMs that exist already, for all VMs of a file together, and where a price is not known.

use crate::names;
use crate::support::sandbox::{Run, Sandbox};

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["create", "-p", "mock", "-o", "json"], arguments].concat())
}

#[test]
fn adopted_vm_must_meet_price_limits() {
    let sandbox = Sandbox::new();
    run(&sandbox, &["endless", "--type", "large"]).expect(0);
    run(&sandbox, &["long", "--type", "large", "--ttl", "10d"]).expect(0);
    for (arguments, words) in [
        (&["endless", "--type", "large", "--budget", "5"][..], "has no TTL"),
        (
            &["long", "--type", "large", "--ttl", "10d", "--max-price", "0.1"],
            "costs 0.16 USD an hour",
        ),
        (
            &["long", "--type", "large", "--budget", "5"],
            "would cost 38.4 USD over its TTL of 10d",
        ),
    ] {
        let refused = run(&sandbox, arguments).expect(6);
        refused.expect_in_stderr(words);
    }
    let same = ["long", "--type", "large", "--ttl", "10d", "--max-price", "0.16"];
    run(&sandbox, &same).expect(0);
    assert_eq!(names(&sandbox), ["endless", "long"]);
}

#[test]
fn budget_covers_all_vms_and_respects_the_longest_ttl() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "two.toml",
        "type = \"large\"\n[[vm]]\nname = \"a\"\n[[vm]]\nname = \"b\"\n",
    );
    let file = sandbox.folder().join("two.toml");
    let file = file.to_str().expect("a path");
    let cost = |arguments: &[&str]| -> f64 {
        let plans = run(&sandbox, &[arguments, &["--dry-run"]].concat()).expect(0).items();
        plans.iter().filter_map(|plan| plan["price_usd_for_ttl"].as_f64()).sum()
    };
    for arguments in [
        &["-f", file, "--budget", "2"][..],
        &["c", "--type", "large", "--count", "4", "--budget", "2"],
    ] {
        let cost = cost(arguments);
        assert!(cost > 1.9 && cost <= 2.0, "{cost} for {arguments:?}");
    }
    let plan = run(&sandbox, &["d", "--budget", "1000000", "--dry-run"])
        .expect(0)
        .item();
    assert_eq!(plan["ttl"], "120d");
}

#[test]
fn machine_charged_in_other_ways_has_no_price() {
    let sandbox = Sandbox::new();
    for limit in [&["--max-price", "9"][..], &["--budget", "9"]] {
        let refused = run(
            &sandbox,
            &[&["w", "--type", "large", "--image", "windows-2022"], limit].concat(),
        )
        .expect(6);
        refused.expect_in_stderr("is not known");
    }
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn port_given_twice_is_opened_once() {
    let sandbox = Sandbox::new();
    let made = run(&sandbox, &["p", "--open", "443,22,443"]).expect(0).item();
    let same = run(&sandbox, &["p", "--open", "22", "--open", "443"]).expect(0).item();
    assert_eq!(same["id"], made["id"]);
}

#[test]
fn capacity_hint_names_untried_fallbacks() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_MOCK", "capacity");
    let refused = run(&sandbox, &["x", "--fallback", "zone,type"]).expect(5);
    refused.expect_in_stderr("--fallback region, or try another -r");
    // Each try says on which type.
    refused.expect_in_stderr("(small)").expect_in_stderr("(medium)");
}
