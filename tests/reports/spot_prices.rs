//! A spot price that cannot be looked up is unknown, is reported as unknown, and meets no limit.

use serde_json::Value;

use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};

fn without_prices(place: &str) -> Backend {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let effect = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    backend.inject(Fault::on("DescribeSpotPriceHistory", effect).at(place));
    backend
}

#[test]
fn limit_with_an_unknown_spot_price_is_refused() {
    for limit in [["--max-price", "5"], ["--budget", "5"]] {
        for machine in [&["--type", "t3.small"][..], &["--cpus", "2"]] {
            let backend = without_prices("us-east-1");
            let run = backend
                .run(&[&["create", "web", "--spot"], &limit[..], machine].concat())
                .expect(6);
            run.expect_in_stderr("not known");
            run.expect_in_stderr("aws/us-east-1");
            run.expect_in_stderr("cannot look up the spot price");
            assert_eq!(backend.count("RunInstances"), 0, "{limit:?} {machine:?}");
        }
    }
}

#[test]
fn unknown_spot_price_is_said_and_not_replaced() {
    let backend = without_prices("us-east-1");
    let run = backend.json("create web --spot --cpus 2 --dry-run").expect(0);
    assert_eq!(run.item()["price_usd_per_hour"], Value::Null);
    let warnings = run
        .stderr
        .lines()
        .filter(|line| line.contains("spot prices of aws/us-east-1"));
    assert_eq!(warnings.count(), 1, "{}", run.stderr);
    let run = backend.json("create web --spot --cpus 2 --wait none").expect(0);
    assert_eq!(run.item()["price_usd_per_hour"], Value::Null);
}

#[test]
fn spot_price_that_fails_for_one_type_is_said() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let effect = Effect::ErrorBefore {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
    };
    backend.inject(Fault::on("DescribeSpotPriceHistory", effect).times(1));
    let run = backend.json("create web --spot --cpus 2 --dry-run").expect(0);
    assert!(run.item()["price_usd_per_hour"].is_number(), "{}", run.stdout);
    run.expect_in_stderr("warning: spot prices of aws/us-east-1");
}

#[test]
fn spot_price_that_fails_in_one_of_two_regions_is_said() {
    let backend = without_prices("eu-west-1");
    let both = ["-r", "us-east-1", "-r", "eu-west-1"];
    let run = backend
        .json(&[&["create", "web", "--spot", "--cpus", "2", "--dry-run"], &both[..]].concat())
        .expect(0);
    assert_eq!(run.item()["region"], "us-east-1");
    run.expect_in_stderr("warning: spot prices of aws/eu-west-1");
    run.expect_not_in_stderr("spot prices of aws/us-east-1");
}

#[test]
fn spot_price_that_is_known_needs_no_word() {
    let backend = Backend::start(BackendKind::Ec2Emulator);
    let run = backend
        .json("create web --spot --type t3.small --max-price 5")
        .expect(0);
    run.expect_not_in_stderr("spot price");
}
