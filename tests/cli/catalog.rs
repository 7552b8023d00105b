//! Machine types and prices that cloudctl knows: compared, listed, added up and updated.

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::{ec2, gce, price_lists};

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

fn items(sandbox: &Sandbox, line: &str) -> Vec<Value> {
    sandbox.run(&format!("{line} -o json")).expect(0).items()
}

#[test]
fn prices_are_compared_without_credentials() {
    let sandbox = Sandbox::new();
    let rows = items(&sandbox, "price --cpus 4 --memory 16");
    for provider in ["aws", "gcp"] {
        let of: Vec<_> = rows.iter().filter(|row| row["provider"] == provider).collect();
        assert_eq!(of.len(), 3, "{rows:?}");
        for row in of {
            assert!(
                row["cpus"].as_u64() >= Some(4) && row["memory_gib"].as_f64() >= Some(16.0),
                "{row}"
            );
            assert_eq!(row["architecture"], "x86_64");
            let usd = row["price_usd_per_hour"].as_f64().expect("a price");
            assert!(usd > 0.05 && usd < 0.4, "{row}");
            assert!((row["price_usd_per_month"].as_f64().expect("a price") - usd * 730.0).abs() < 0.01);
            assert_eq!(row["as_of"], "2025-03-02");
        }
    }
    let prices: Vec<_> = rows.iter().map(|row| row["price_usd_per_hour"].as_f64()).collect();
    assert!(prices.is_sorted(), "{prices:?}");
}

#[test]
fn price_locations_are_the_given_ones() {
    let sandbox = Sandbox::new();
    for row in items(&sandbox, "price --cpus 2 -r europe") {
        assert!(text(&row, "region").starts_with("eu"), "{row}");
    }
    let rows = items(&sandbox, "price --cpus 2 --limit 1 -r us-east-1 -r us-west-2");
    let regions: Vec<_> = rows.iter().map(|row| text(row, "region")).collect();
    assert_eq!(regions, ["us-east-1", "us-west-2"]);
    for (line, named) in [
        ("price -r mars", "mars"),
        ("price -z us-east-1a", "us-east-1a"),
        ("type list -r mars", "mars"),
    ] {
        let run = sandbox.run(line).expect(2);
        run.expect_in_stderr(named).expect_in_stderr("hint:");
    }
}

#[test]
fn price_that_is_unknown_is_not_zero() {
    let sandbox = Sandbox::new();
    let spot = "price --cpus 4 --spot";
    let rows = items(&sandbox, spot);
    for row in &rows {
        assert_eq!(row["price_usd_per_hour"].is_null(), row["provider"] == "aws", "{row}");
        assert_ne!(row["price_usd_per_hour"].as_f64(), Some(0.0));
    }
    let table = sandbox.run(spot).expect(0).stdout;
    let line = table
        .lines()
        .find(|line| line.starts_with("aws"))
        .expect("a line of aws");
    assert!(line.contains(" - "), "{line}");
    // Nothing is known of where these are, nor of what they cost.
    let row = &items(&sandbox, "price --gpu l4 -p gcp --limit 1")[0];
    assert_eq!(
        (text(row, "machine_type"), &row["region"]),
        ("g2-standard-4", &Value::Null)
    );
}

#[test]
fn cheapest_price_is_marked_and_others_compared_with_it() {
    let sandbox = Sandbox::new();
    let table = sandbox.run("price --cpus 4 --memory 16 --limit 2").expect(0).stdout;
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].ends_with("COMPARED"), "{table}");
    assert!(rows[1].ends_with("  cheapest"), "{table}");
    let marked = rows.iter().filter(|row| row.contains("cheapest on "));
    assert_eq!(marked.count(), 1, "{table}");
    assert!(
        rows[2..].iter().all(|row| row.contains('+') && row.ends_with('%')),
        "{table}"
    );
    let csv = sandbox.run("price --cpus 4 -o csv").expect(0).stdout;
    assert!(!csv.contains("compared"), "{csv}");
}

#[test]
fn price_works_on_the_mock_and_says_that_regions_cost_the_same() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("price -p mock --cpus 4 --memory 16 -o json").expect(0);
    run.expect_in_stderr("mock: all 3 regions cost the same; ap-south-1 is shown");
    let rows = run.items();
    let prices: Vec<_> = rows.iter().map(|row| row["price_usd_per_hour"].as_f64()).collect();
    assert_eq!(prices, [Some(0.16), Some(0.32)]);
    let spot = items(&sandbox, "price -p mock --cpus 4 --spot --limit 1 -r us-east-1");
    assert_eq!(
        (text(&spot[0], "region"), &spot[0]["price_usd_per_hour"]),
        ("us-east-1", &0.048.into())
    );
    let run = sandbox.run("price -p mock -r mars").expect(2);
    run.expect_in_stderr("mars");
}

#[test]
fn price_of_vms_is_shown_by_name() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox.run("create web-1 -p mock -q").expect(0);
    sandbox.run("create big -p mock --type large -q").expect(0);
    let rows = items(&sandbox, "price web-1 big -p mock");
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                text(row, "name"),
                row["price_usd_per_hour"].as_f64(),
                row["price_usd_per_month"].as_f64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("web-1", Some(0.02), Some(14.6)), ("big", Some(0.16), Some(116.8))]
    );
    sandbox.run("stop big -p mock -q").expect(0);
    sandbox.run("wait big -p mock --for stopped -q").expect(0);
    let run = sandbox.run("price big -p mock").expect(0);
    run.expect_in_stderr("big is stopped: only its disks cost something now");
    sandbox.run("price absent -p mock").expect(3).expect_in_stderr("absent");
    sandbox.run("price web-1 -p mock --cpus 4").expect(2);
}

#[test]
fn price_that_is_unknown_says_why_and_how_to_get_it() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    let run = sandbox.run("price --cpus 4 --spot").expect(0);
    run.expect_in_stderr("aws: spot prices on EC2 change from hour to hour");
    let run = sandbox.run("price --gpu l4 -p gcp --limit 1").expect(0);
    run.expect_in_stderr(
        "gcp: no price of g2-standard-4 in any region is in the catalog: `cloudctl catalog update -p gcp`",
    );
    sandbox.point_at_aws(&emulator.url());
    sandbox.run("create a -p aws --type t3.small --spot -q").expect(0);
    let run = sandbox.run("price a -p aws").expect(0);
    run.expect_in_stderr("a: spot prices on EC2 change from hour to hour");
    let page = sandbox.run("describe a -p aws").expect(0).stdout;
    assert!(
        page.contains("  USD/hour        spot prices on EC2 change from hour to hour"),
        "{page}"
    );
}

#[test]
fn type_list_names_its_region_and_marks_the_cheapest() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("type list -p mock --cpus 4").expect(0);
    run.expect_in_stderr("mock: machine types of us-east-1, where new VMs go");
    let mark = |name: &str| {
        let row = run.stdout.lines().find(|line| line.starts_with(&format!("{name} ")));
        row.and_then(|row| row.split("  -").last().map(|mark| mark.trim().to_owned()))
    };
    assert_eq!(mark("large").as_deref(), Some("cheapest x86_64 that fits"));
    assert_eq!(mark("arm-large").as_deref(), Some("cheapest arm64 that fits"));
    assert_eq!(mark("xlarge").as_deref(), Some(""));
    // With a region there is nothing to say.
    let run = sandbox.run("type list -p mock -r eu-west-1").expect(0);
    run.expect_not_in_stderr("where new VMs go");
    let run = sandbox.run("type list -p mock --memory 999").expect(0);
    run.expect_in_stderr("no machine type has 999 GiB");
}

#[test]
fn requirements_without_match_name_the_nearest() {
    let sandbox = Sandbox::new();
    for (arguments, hint) in [
        (&["price", "--memory", "5000000"][..], "GiB"),
        (&["price", "--gpu", "abacus"], "t4"),
    ] {
        let run = sandbox.run(arguments).expect(2);
        let told = run
            .stderr
            .lines()
            .find(|line| line.starts_with("hint:"))
            .unwrap_or_default();
        assert!(told.contains(hint), "{}", run.stderr);
    }
}

#[test]
fn machine_types_come_from_the_cloud_if_it_answers() {
    let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
    let mut sandbox = Sandbox::new();
    let offline = sandbox.run("type list -p aws -r eu-west-1 -o json").expect(0);
    offline.expect_in_stderr("credentials");
    assert!(offline.items().len() > 500);
    sandbox.point_at_aws(&ec2.url()).point_at_gcp(&gce.url(), gce::PROJECT);
    let run = sandbox.run("type list --cpus 2 -o json").expect(0);
    let rows = run.items();
    for provider in ["aws", "gcp"] {
        assert!(rows.iter().any(|row| row["provider"] == provider), "{provider}");
    }
    assert!(rows.iter().all(|row| row["cpus"].as_u64() >= Some(2)));
    assert!(rows.iter().any(|row| row["price_usd_per_hour"].as_f64() > Some(0.0)));
    assert!(
        ec2.calls()
            .iter()
            .any(|call| call.operation.name == "DescribeInstanceTypes")
    );
    let prices: Vec<_> = rows
        .iter()
        .map(|row| row["price_usd_per_hour"].as_f64().unwrap_or(f64::INFINITY))
        .collect();
    assert!(prices.is_sorted());
    // A region of one cloud is unknown to the other, and that is no mistake.
    let rows = items(&sandbox, "type list -r us-west-2 --sort name");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["region"] == "us-west-2"));
    assert!(rows.iter().map(|row| text(row, "name").to_owned()).is_sorted());
    let mock = items(&sandbox, "type list -p mock --cpus 4 --arch arm64");
    assert!(
        mock.iter()
            .any(|row| row["name"] == "arm-large" && row["price_usd_per_hour"] == 0.128),
        "{mock:?}"
    );
}

#[test]
fn list_shows_prices() {
    let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&ec2.url()).point_at_gcp(&gce.url(), gce::PROJECT);
    for arguments in [
        &["create", "a", "-p", "aws", "--type", "m5.xlarge", "-l", "team=web"][..],
        &["create", "b", "-p", "gcp", "--type", "e2-medium", "-l", "team=web"],
        &["create", "c", "-p", "aws", "--type", "m5.xlarge", "--spot"],
    ] {
        sandbox.run(arguments).expect(0);
    }
    let price_of = |run: &[Value], name: &str| {
        let found = run.iter().find(|item| item["name"] == name).expect("the VM");
        found["price_usd_per_hour"].as_f64()
    };
    let listed = items(&sandbox, "list");
    assert_eq!(price_of(&listed, "a"), Some(0.192));
    assert_eq!(price_of(&listed, "b"), Some(0.033506));
    assert_eq!(price_of(&listed, "c"), None, "spare capacity");
    let lines = sandbox.run("list -o jsonl").expect(0).stdout;
    let streamed: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(price_of(&streamed, "a"), Some(0.192));
    let dear = items(&sandbox, "list --filter price_usd_per_hour>0.1");
    assert_eq!(dear.len(), 1);
    let named = sandbox.run("list --sort -price_usd_per_hour -o name").expect(0).stdout;
    assert_eq!(named.lines().collect::<Vec<_>>(), ["a", "b", "c"]);

    let costs = items(&sandbox, "list --cost team");
    let groups: Vec<_> = costs
        .iter()
        .map(|cost| (cost["group"].as_str(), cost["usd_per_hour"].as_f64()))
        .collect();
    assert_eq!(groups, [(Some("web"), Some(0.225506)), (None, None)]);
    assert_eq!(costs[1]["unknown"], 1);
    let costs = items(&sandbox, "list --cost");
    let groups: Vec<_> = costs.iter().map(|cost| text(cost, "group")).collect();
    assert_eq!(groups, ["aws", "gcp"]);
    // What is stopped costs no more than its disk.
    sandbox.run("stop a").expect(0);
    sandbox.run("wait a --for stopped").expect(0);
    let costs = items(&sandbox, "list --cost team");
    assert_eq!(
        (&costs[0]["usd_per_hour"], &costs[0]["stopped"]),
        (&0.033506.into(), &1.into())
    );
}

/// A sandbox whose clouds have price lists.
fn with_price_lists(lists: &price_lists::Emulator) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox
        .point_at_aws(&lists.url())
        .point_at_gcp(&lists.url(), gce::PROJECT);
    sandbox.set(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING",
        &format!("{}/", lists.url()),
    );
    sandbox
}

#[test]
fn catalog_update_replaces_built_in_data() {
    let lists = price_lists::Emulator::start();
    let sandbox = with_price_lists(&lists);
    let rows = items(&sandbox, "catalog update");
    let told: Vec<_> = rows
        .iter()
        .map(|row| (text(row, "provider"), row["prices"].as_u64()))
        .collect();
    assert_eq!(told, [("aws", Some(2)), ("gcp", Some(3))]);
    let file = sandbox.home().join(".cache/cloudctl/prices.tsv");
    assert!(file.is_file());
    let listed = |line: &str, name: &str| {
        let rows = items(&sandbox, line);
        rows.into_iter().find(|row| row["machine_type"] == name)
    };
    let n4 = listed("price -p gcp -r us-central1 --limit 500 --cpus 2", "n4-standard-2");
    let n4 = n4.expect("the new family");
    assert_eq!(n4["price_usd_per_hour"].as_f64(), Some(0.092));
    assert_ne!(n4["as_of"], "2025-03-02");
    let mut offline = Sandbox::new();
    offline.set("CLOUDCTL_CATALOG", &file.to_string_lossy());
    let types = items(&offline, "type list -p aws -r us-east-1");
    let of =
        |name: &str| types.iter().find(|row| row["name"] == name).expect("the type")["price_usd_per_hour"].as_f64();
    // Dedicated tenancy is another thing, and its price is not taken.
    assert_eq!((of("m5.xlarge"), of("m5.2xlarge")), (Some(0.197), Some(0.384)));
    let shown = items(&sandbox, "catalog show");
    let parts: Vec<_> = shown.iter().map(|row| text(row, "part")).collect();
    assert_eq!(parts, ["built in", "fetched aws", "fetched gcp"]);
    assert_eq!(shown[0]["licence"], "Apache-2.0");
    assert!(shown[0]["bytes"].as_u64() <= Some(200 * 1024));

    // One cloud's failure is no reason to lose the other's, nor what was there before.
    lists.inject(Fault::on(
        "skus.list",
        Effect::ErrorBefore {
            status: 403,
            code: "PERMISSION_DENIED".to_owned(),
        },
    ));
    let run = sandbox.run("catalog update -o json").expect(7);
    assert_eq!(run.items().len(), 1);
    assert_eq!(run.json()["errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(items(&sandbox, "catalog show").len(), 3);
}

#[test]
fn catalog_file_that_is_broken_is_ignored_with_a_warning() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.write("prices.tsv", "this is no price list\n");
    sandbox.set("CLOUDCTL_CATALOG", &path);
    let run = sandbox.run("price --cpus 2 -o json").expect(0);
    run.expect_in_stderr("warning:").expect_in_stderr("prices.tsv");
    assert_eq!(run.items().len(), 6);
    let run = sandbox.run("catalog update").expect(4);
    run.expect_in_stderr("no credentials");
}
