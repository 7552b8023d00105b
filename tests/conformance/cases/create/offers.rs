//! Machines by requirements: `create` chooses the cheapest offer that fits, and keeps to price limits.

use crate::Case;
use crate::cases::{cases, exhaust, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        dry_run_by_requirements_shows_price_and_creates_nothing,
        create_by_requirements_is_adopted_by_a_rerun,
        create_refuses_type_below_requirements,
        create_with_impossible_requirements_names_the_nearest,
        create_max_price_too_low_names_the_cheapest,
        create_budget_sets_ttl,
        create_in_area_uses_one_of_its_regions,
        create_uses_arm_only_if_asked,
    ]);
    all.extend(cases![BackendKind::STEERED; create_without_capacity_anywhere_creates_nothing]);
    all.extend(cases![&[BackendKind::Ec2Emulator]; fallback_to_another_type_keeps_the_name_and_the_spec]);
    // The mock has one region in each area.
    all.extend(cases![BackendKind::EMULATORS; fallback_to_another_region_creates_one_and_adopts_it]);
    all
}

const NEED: [&str; 6] = ["create", "a", "--cpus", "4", "--memory", "16"];

fn dry_run_by_requirements_shows_price_and_creates_nothing(backend: &Backend) {
    let arguments = [&NEED[..], &["--image", "ubuntu-24.04", "--ttl", "2h", "--dry-run"]].concat();
    let run = backend.json(&arguments).expect(0);
    let plan = run.item();
    assert!(plan["cpus"].as_u64() >= Some(4), "{plan}");
    assert!(plan["memory_gib"].as_f64() >= Some(16.0), "{plan}");
    assert_eq!(plan["architecture"], "x86_64");
    assert_eq!(plan["gpu"], serde_json::Value::Null);
    let price = plan["price_usd_per_hour"].as_f64().expect("a price");
    assert!(price > 0.05 && price < 1.0, "{plan}");
    let in_all = plan["price_usd_for_ttl"].as_f64().expect("a price");
    assert!((in_all - 2.0 * price).abs() < 0.001, "{plan}");
    for field in [
        "provider",
        "name",
        "region",
        "machine_type",
        "image",
        "disk_type",
        "ttl",
    ] {
        assert!(!text(&plan, field).is_empty(), "{field} of {plan}");
    }
    assert_eq!(backend.alive(), []);
}

fn create_by_requirements_is_adopted_by_a_rerun(backend: &Backend) {
    let made = backend.json(&NEED).expect(0).item();
    assert!(made["cpus"].as_u64() >= Some(4), "{made}");
    let again = backend.json(&NEED).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    let other = backend.json("create a --cpus 2").expect(6);
    other.expect_in_stderr("but the VM was created with a different --cpus");
    assert_eq!(backend.alive().len(), 1);
}

fn create_refuses_type_below_requirements(backend: &Backend) {
    let run = backend
        .json(&["create", "a", "--type", backend.other_type(), "--cpus", "64"])
        .expect(2);
    run.expect_in_stderr(backend.other_type());
    assert_eq!(backend.alive(), []);
}

fn create_with_impossible_requirements_names_the_nearest(backend: &Backend) {
    let run = backend.json("create a --memory 5000000").expect(2);
    run.expect_in_stderr("the nearest is ");
    let run = backend.json("create a --gpu abacus").expect(2);
    run.expect_in_stderr("abacus");
    assert_eq!(backend.alive(), []);
}

fn create_max_price_too_low_names_the_cheapest(backend: &Backend) {
    let cheapest = backend.json(&[&NEED[..], &["--dry-run"]].concat()).expect(0).item();
    let run = backend
        .json(&[&NEED[..], &["--max-price", "0.0001"]].concat())
        .expect(6);
    run.expect_in_stderr(text(&cheapest, "machine_type"));
    assert_eq!(backend.alive(), []);
    let price = cheapest["price_usd_per_hour"].as_f64().expect("a price");
    let enough = format!("{price}");
    let made = backend.json(&[&NEED[..], &["--max-price", &enough]].concat()).expect(0);
    assert_eq!(made.item()["machine_type"], cheapest["machine_type"]);
}

fn create_budget_sets_ttl(backend: &Backend) {
    let arguments = [&NEED[..], &["--budget", "1"]].concat();
    let plan = backend
        .json(&[&arguments[..], &["--dry-run"]].concat())
        .expect(0)
        .item();
    let cost = plan["price_usd_for_ttl"].as_f64().expect("a price");
    assert!(cost > 0.98 && cost <= 1.0, "{plan}");
    let made = backend.json(&arguments).expect(0).item();
    assert!(!text(&made, "expires_at").is_empty(), "{made}");
    // The time follows from the price of the day, and a re-run finds what is there.
    assert_eq!(backend.json(&arguments).expect(0).item()["id"], made["id"]);
}

fn create_in_area_uses_one_of_its_regions(backend: &Backend) {
    let made = backend.json(&[&NEED[..], &["-r", "europe"]].concat()).expect(0).item();
    assert!(text(&made, "region").starts_with("eu"), "{made}");
    let again = backend.json(&[&NEED[..], &["-r", "europe"]].concat()).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    let run = backend.run("create a -r atlantis").expect(2);
    run.expect_in_stderr("atlantis");
    assert_eq!(backend.alive().len(), 1);
}

fn create_uses_arm_only_if_asked(backend: &Backend) {
    let plan = |arguments: &[&str]| {
        let all = [&["create", "a", "--cpus", "2", "--dry-run"], arguments].concat();
        backend.json(&all).expect(0).item()
    };
    assert_eq!(plan(&[])["architecture"], "x86_64");
    assert_eq!(plan(&["--arch", "arm64"])["architecture"], "arm64");
}

fn fallback_to_another_type_keeps_the_name_and_the_spec(backend: &Backend) {
    let arguments = ["create", "a", "--type", backend.other_type(), "--fallback", "type"];
    backend.ec2().exhaust_type(backend.other_type());
    let run = backend.json(&arguments).expect(0);
    let made = run.item();
    assert_ne!(text(&made, "machine_type"), backend.other_type());
    run.expect_in_stderr("no capacity in ");
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    assert_eq!(backend.alive().len(), 1);
}

fn fallback_to_another_region_creates_one_and_adopts_it(backend: &Backend) {
    let region = backend.home_region();
    exhaust(backend, backend.site().home_zones);
    let arguments = [&NEED[..], &["-r", region, "--fallback", "zone,region"]].concat();
    let run = backend.json(&arguments).expect(0);
    let made = run.item();
    assert!(
        text(&made, "region") != region && text(&made, "region").starts_with("us-"),
        "{made}"
    );
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    assert_eq!(backend.alive().len(), 1);
}

fn create_without_capacity_anywhere_creates_nothing(backend: &Backend) {
    exhaust(backend, backend.site().home_zones);
    let run = backend
        .json(&[&NEED[..], &["--fallback", "zone,type"]].concat())
        .expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(backend.alive(), []);
}
