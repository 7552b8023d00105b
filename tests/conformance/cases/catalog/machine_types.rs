//! What a driver says that its cloud offers: regions, machine types, images, spot prices.

use serde_json::{Value, json};

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![&[BackendKind::Ec2Emulator, BackendKind::Moto];
        regions_are_those_enabled_for_the_account,
        machine_types_use_common_names,
        machine_types_by_name_leave_out_absent_types,
        spot_capacity_has_a_price,
    ]);
    all.extend(cases![&[BackendKind::Ec2Emulator];
        image_aliases_take_one_call_for_each_publisher,
        image_alias_means_the_image_that_create_uses,
        machine_types_are_read_from_every_page,
        spot_price_without_zone_is_the_highest,
        spot_dry_run_shows_the_current_spot_price,
    ]);
    all
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().unwrap_or_else(|| panic!("{key} in {answer}"))
}

fn regions_are_those_enabled_for_the_account(backend: &Backend) {
    let answer = backend.drive(&json!({ "do": "regions" }));
    let regions: Vec<_> = list(&answer, "regions").iter().filter_map(Value::as_str).collect();
    assert!(
        regions.is_sorted() && regions.contains(&backend.home_region()),
        "{regions:?}"
    );
    if let Some(disabled) = backend.differences().disabled_region {
        assert!(!regions.contains(&disabled), "it is not enabled: {regions:?}");
    }
}

fn machine_types_use_common_names(backend: &Backend) {
    let answer = backend.drive(&json!({ "do": "machine_types", "region": backend.home_region() }));
    let all = list(&answer, "machine_types");
    let of = |name: &str| {
        let found: Vec<_> = all.iter().filter(|machine| machine["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].clone()
    };
    assert_eq!(
        of("g4dn.xlarge"),
        json!({
            "name": "g4dn.xlarge", "cpus": 4, "memory_gib": 16.0, "architecture": "x86_64", "gpu": "t4",
            "is_current": true, "has_spot": true,
        })
    );
    let arm = of("c7g.large");
    assert_eq!((&arm["architecture"], &arm["gpu"]), (&json!("arm64"), &Value::Null));
    assert_eq!(of("p5.48xlarge")["gpu"], "h100:8");
    let metal = of("mac1.metal");
    assert_eq!(
        (&metal["architecture"], &metal["has_spot"]),
        (&json!("x86_64"), &json!(false))
    );
    assert_eq!(of("m1.small")["is_current"], false);
}

fn machine_types_by_name_leave_out_absent_types(backend: &Backend) {
    let mut among: Vec<String> = (0..210).map(|number| format!("q{number}.large")).collect();
    among.extend(["t3.small", "m7g.large"].map(str::to_owned));
    let answer = backend.drive(&json!({ "do": "machine_types", "region": backend.home_region(), "among": among }));
    let mut names: Vec<_> = list(&answer, "machine_types")
        .iter()
        .map(|machine| text(machine, "name"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["m7g.large", "t3.small"]);
    if backend.differences().records_calls {
        assert_eq!(backend.count("DescribeInstanceTypes"), 2, "200 names fit into a call");
    }
}

fn spot_capacity_has_a_price(backend: &Backend) {
    let price = |zone: Option<&str>| {
        let order = json!({ "do": "spot_price", "region": backend.home_region(), "zone": zone, "type": "m5.large" });
        backend.drive(&order)["price"].as_f64().expect("a price")
    };
    let in_a_zone = price(Some(backend.home_zone()));
    assert!(in_a_zone > 0.0 && in_a_zone <= price(None));
}

fn image_aliases_take_one_call_for_each_publisher(backend: &Backend) {
    let answer = backend.drive(&json!({ "do": "images", "region": backend.home_region() }));
    let images = list(&answer, "images");
    let has = |alias: &str, architecture: &str| {
        let mut fit = images.iter().filter(|image| image["alias"] == alias);
        fit.any(|image| image["architecture"] == architecture && text(image, "id").starts_with("ami-"))
    };
    for alias in [
        "ubuntu-24.04",
        "ubuntu-22.04",
        "debian-13",
        "debian-12",
        "amazon-linux-2023",
        "rocky-9",
        "rhel-9",
        "suse-15",
    ] {
        assert!(has(alias, "x86_64") && has(alias, "arm64"), "{alias} in {answer}");
    }
    assert!(has("windows-2022", "x86_64") && !has("windows-2022", "arm64"));
    assert!(
        images
            .iter()
            .all(|image| !image["disk_gib"].is_null() && !image["created_at"].is_null())
    );
    assert_eq!(backend.count("DescribeImages"), 8, "one for each publisher");
}

fn image_alias_means_the_image_that_create_uses(backend: &Backend) {
    let answer = backend.drive(&json!({ "do": "images", "region": backend.home_region() }));
    for alias in ["ubuntu-24.04", "suse-15", "rhel-9"] {
        let plan = backend
            .json(&["create", "a", "--image", alias, "--dry-run"])
            .expect(0)
            .item();
        let mut listed = list(&answer, "images").iter();
        let listed = listed.find(|image| image["alias"] == alias && image["architecture"] == "x86_64");
        assert_eq!(listed.expect("the alias")["id"], plan["image"], "{alias}");
    }
}

fn machine_types_are_read_from_every_page(backend: &Backend) {
    let order = json!({ "do": "machine_types", "region": backend.home_region() });
    let all = list(&backend.drive(&order), "machine_types").len();
    let emulator = backend.ec2();
    emulator.page_size_cap(5);
    emulator.set_empty_pages(true);
    assert_eq!(list(&backend.drive(&order), "machine_types").len(), all);
    assert!(all > 20);
}

fn spot_price_without_zone_is_the_highest(backend: &Backend) {
    let emulator = backend.ec2();
    emulator.set_spot_price("us-east-1b", "m5.large", 9.9);
    let price = |zone: Option<&str>, machine: &str| {
        let order = json!({ "do": "spot_price", "region": "us-east-1", "zone": zone, "type": machine });
        backend.drive(&order)["price"].clone()
    };
    assert_eq!(price(None, "m5.large"), 9.9);
    assert_eq!(price(Some("us-east-1b"), "m5.large"), 9.9);
    assert!(price(Some("us-east-1a"), "m5.large").as_f64() < Some(9.9));
    assert_eq!(price(None, "mac1.metal"), Value::Null);
}

fn spot_dry_run_shows_the_current_spot_price(backend: &Backend) {
    let emulator = backend.ec2();
    emulator.set_spot_price("us-east-1a", "m7i.large", 0.0333);
    let spot = "create a --type m7i.large --spot -z us-east-1a --dry-run";
    let refused = backend.run(&format!("{spot} --max-price 0.03")).expect(6);
    refused.expect_in_stderr("0.0333");
    let plan = backend.json(&format!("{spot} --max-price 0.04")).expect(0).item();
    assert_eq!(
        (&plan["price_usd_per_hour"], &plan["spot"]),
        (&json!(0.0333), &json!(true))
    );
}
