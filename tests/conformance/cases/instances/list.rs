//! Listings: complete, limited, filtered, in every format; an incomplete one says so.

use crate::Case;
use crate::cases::{cases, names, text};
use crate::support::backends::{Backend, BackendKind};
use crate::support::test_cloud::Labels;

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        list_without_vms_is_empty,
        list_shows_all_regions_and_can_be_limited,
        list_selects_by_label_and_filter,
        list_shows_unmanaged_vms_without_managed_flag,
        list_prints_every_format,
        item_has_every_field,
    ]);
    all.extend(cases![BackendKind::EMULATORS;
        list_reads_every_page,
        list_continues_after_empty_pages,
        list_names_the_location_that_is_missing,
    ]);
    all
}

fn list_without_vms_is_empty(backend: &Backend) {
    assert_eq!(backend.json("list").expect(0).items(), Vec::<serde_json::Value>::new());
    assert_eq!(backend.run("list").expect(0).stdout, "");
}

fn list_shows_all_regions_and_can_be_limited(backend: &Backend) {
    backend.run(&["create", "near", "-r", backend.home_region()]).expect(0);
    backend.run(&["create", "far", "-r", backend.other_region()]).expect(0);
    assert_eq!(names(&backend.json("list").expect(0).items()), ["far", "near"]);
    let far = backend.json(&["list", "-r", backend.other_region()]).expect(0).item();
    assert_eq!(
        (text(&far, "name"), text(&far, "region")),
        ("far", backend.other_region())
    );
    let zone = text(&far, "zone").to_owned();
    assert_eq!(names(&backend.json(&["list", "-z", &zone]).expect(0).items()), ["far"]);
    let both = ["list", "-r", backend.home_region(), "-r", backend.other_region()];
    assert_eq!(names(&backend.json(&both).expect(0).items()), ["far", "near"]);
}

fn list_selects_by_label_and_filter(backend: &Backend) {
    backend.run("create one -l env=ci -l gpu=yes").expect(0);
    backend.run("create two -l env=dev").expect(0);
    let listed = |arguments: &[&str]| {
        let items = backend.json(&[&["list"], arguments].concat()).expect(0).items();
        names(&items).join(" ")
    };
    assert_eq!(listed(&["-l", "env=ci"]), "one");
    assert_eq!(listed(&["-l", "env!=ci"]), "two");
    assert_eq!(listed(&["-l", "gpu"]), "one");
    assert_eq!(listed(&["-l", "!gpu"]), "two");
    assert_eq!(listed(&["--filter", "name~tw,state=running"]), "two");
    assert_eq!(listed(&["--filter", "age>2h"]), "");
    assert_eq!(listed(&["--filter", "label.env=dev"]), "two");
    let sorted = backend.run("list --sort -name -o name").expect(0);
    assert_eq!(sorted.stdout, "two\none\n");
}

fn list_shows_unmanaged_vms_without_managed_flag(backend: &Backend) {
    let id = backend.create_unmanaged("theirs");
    backend.run("create ours").expect(0);
    let all = backend.json("list").expect(0).items();
    assert_eq!(names(&all), ["ours", "theirs"]);
    let theirs = all
        .iter()
        .find(|item| text(item, "id") == id)
        .expect("theirs is listed");
    assert_eq!(theirs["managed"], false);
    assert_eq!(names(&backend.json("list --managed").expect(0).items()), ["ours"]);
}

fn list_prints_every_format(backend: &Backend) {
    let made = backend.json("create web-1 -l env=ci").expect(0).item();
    let print = |format: &str| backend.run(&["list", "-o", format]).expect(0).stdout;
    assert!(print("table").starts_with("NAME") && print("table").contains("web-1"));
    assert!(print("wide").contains(text(&made, "id")) && print("wide").contains("env=ci"));
    assert_eq!(print("name"), "web-1\n");
    assert_eq!(print("id"), format!("{}\n", text(&made, "id")));
    assert_eq!(print("ref"), format!("{}\n", text(&made, "ref")));
    assert_eq!(print("columns=name,state"), "NAME   STATE\nweb-1  running\n");
    let line: serde_json::Value = serde_json::from_str(print("jsonl").trim()).expect("one line of JSON");
    assert_eq!(line["id"], made["id"]);
    assert!(print("yaml").contains("schema: cloudctl/v1"));
    let csv = print("csv");
    assert!(
        csv.starts_with("provider,account,") && csv.lines().count() == 2,
        "{csv}"
    );
    assert_eq!(backend.run("list -q").expect(0).stdout, print("id"));
}

fn item_has_every_field(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    let fields = "provider account region zone id ref name state native_state machine_type cpus memory_gib architecture \
                  image spot public_ip private_ip labels created_at expires_at expiry_enforcer managed protected \
                  price_usd_per_hour native";
    let expected: std::collections::BTreeSet<_> = fields.split_whitespace().collect();
    let object = made.as_object().expect("an object");
    let found: std::collections::BTreeSet<_> = object.keys().map(String::as_str).collect();
    assert_eq!(found, expected);
}

fn list_reads_every_page(backend: &Backend) {
    backend.set_page_size(7);
    backend.seed_many(backend.home_zone(), 40, &|_| Labels::new());
    let listed = backend.json(&["list", "-r", backend.home_region()]).expect(0).items();
    let ids: std::collections::BTreeSet<_> = listed.iter().map(|item| text(item, "id")).collect();
    assert_eq!((listed.len(), ids.len()), (40, 40));
}

fn list_continues_after_empty_pages(backend: &Backend) {
    backend.send_empty_pages();
    backend.seed_many(backend.home_zone(), 3, &|_| Labels::new());
    assert_eq!(
        backend
            .json(&["list", "-r", backend.home_region()])
            .expect(0)
            .items()
            .len(),
        3
    );
}

fn list_names_the_location_that_is_missing(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let place = backend.hide_part_of_other_region();
    let listed = backend.json("list").expect(7);
    assert_eq!(names(&listed.items()), ["web-1"]);
    assert_eq!(listed.json()["errors"][0]["location"], place.as_str());
    listed.expect_in_stderr(&place).expect_in_stderr("incomplete");
}
