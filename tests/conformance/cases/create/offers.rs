//! Machines by need: the cheapest that fits is taken, in the best of the places that will do, and prices are kept to.

use crate::Case;
use crate::cases::{cases, exhaust, text};
use crate::support::backend::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        a_dry_run_by_need_has_a_price_and_makes_nothing,
        what_is_needed_is_what_is_there_and_a_re_run_finds_it,
        a_machine_type_must_have_what_is_needed,
        an_impossible_need_names_what_comes_nearest,
        a_price_that_is_too_low_names_the_cheapest,
        a_budget_sets_the_time_to_live,
        an_area_is_all_of_its_regions,
        arm_is_taken_only_if_it_is_asked_for,
    ]);
    all.extend(cases![BackendKind::STEERED; without_room_anywhere_nothing_is_made]);
    all.extend(cases![&[BackendKind::Ec2Emulator]; fallback_to_another_type_keeps_the_name_and_the_spec]);
    // The mock has one region in each area.
    all.extend(cases![BackendKind::EMULATORS; fallback_to_another_region_makes_one_and_finds_it_again]);
    all
}

const NEED: [&str; 6] = ["create", "a", "--cpus", "4", "--memory", "16"];

fn a_dry_run_by_need_has_a_price_and_makes_nothing(backend: &Backend) {
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

fn what_is_needed_is_what_is_there_and_a_re_run_finds_it(backend: &Backend) {
    let made = backend.json(&NEED).expect(0).item();
    assert!(made["cpus"].as_u64() >= Some(4), "{made}");
    let again = backend.json(&NEED).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    let other = backend.json(&["create", "a", "--cpus", "2"]).expect(6);
    assert!(
        other.stderr.contains("but it was made with another --cpus than"),
        "{}",
        other.stderr
    );
    assert_eq!(backend.alive().len(), 1);
}

fn a_machine_type_must_have_what_is_needed(backend: &Backend) {
    let run = backend
        .json(&["create", "a", "--type", backend.other_type(), "--cpus", "64"])
        .expect(2);
    assert!(run.stderr.contains(backend.other_type()), "{}", run.stderr);
    assert_eq!(backend.alive(), []);
}

fn an_impossible_need_names_what_comes_nearest(backend: &Backend) {
    let run = backend.json(&["create", "a", "--memory", "5000000"]).expect(2);
    assert!(run.stderr.contains("the nearest is "), "{}", run.stderr);
    let run = backend.json(&["create", "a", "--gpu", "abacus"]).expect(2);
    assert!(run.stderr.contains("abacus"), "{}", run.stderr);
    assert_eq!(backend.alive(), []);
}

fn a_price_that_is_too_low_names_the_cheapest(backend: &Backend) {
    let cheapest = backend.json(&[&NEED[..], &["--dry-run"]].concat()).expect(0).item();
    let run = backend
        .json(&[&NEED[..], &["--max-price", "0.0001"]].concat())
        .expect(6);
    assert!(run.stderr.contains(text(&cheapest, "machine_type")), "{}", run.stderr);
    assert_eq!(backend.alive(), []);
    let price = cheapest["price_usd_per_hour"].as_f64().expect("a price");
    let enough = format!("{price}");
    let made = backend.json(&[&NEED[..], &["--max-price", &enough]].concat()).expect(0);
    assert_eq!(made.item()["machine_type"], cheapest["machine_type"]);
}

fn a_budget_sets_the_time_to_live(backend: &Backend) {
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

fn an_area_is_all_of_its_regions(backend: &Backend) {
    let made = backend.json(&[&NEED[..], &["-r", "europe"]].concat()).expect(0).item();
    assert!(text(&made, "region").starts_with("eu"), "{made}");
    let again = backend.json(&[&NEED[..], &["-r", "europe"]].concat()).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    let run = backend.run(&["create", "a", "-r", "atlantis"]).expect(2);
    assert!(run.stderr.contains("atlantis"), "{}", run.stderr);
    assert_eq!(backend.alive().len(), 1);
}

fn arm_is_taken_only_if_it_is_asked_for(backend: &Backend) {
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
    assert!(run.stderr.contains("no room in "), "{}", run.stderr);
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], made["id"]);
    assert_eq!(backend.alive().len(), 1);
}

fn fallback_to_another_region_makes_one_and_finds_it_again(backend: &Backend) {
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

fn without_room_anywhere_nothing_is_made(backend: &Backend) {
    exhaust(backend, backend.site().home_zones);
    let run = backend
        .json(&[&NEED[..], &["--fallback", "zone,type"]].concat())
        .expect(5);
    assert_eq!(run.error_kinds(), ["capacity"]);
    assert_eq!(backend.alive(), []);
}
