//! A machine whose clock is wrong: cloudctl uses the cloud's time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::Row;
use crate::seed_instances::{alive_ids, own, seed};
use crate::support::backends::{Backend, BackendKind};

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        42 => clock_twenty_minutes_slow_is_not_used,
    ];
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator];
        42 => clock_twenty_minutes_fast_is_not_used,
        42 => wrong_clock_is_reported,
    ]);
    rows
}

const TWENTY_MINUTES: Duration = Duration::from_secs(20 * 60);

fn time(item: &Value, field: &str) -> Timestamp {
    let text = item[field].as_str().unwrap_or_default();
    text.parse().unwrap_or_else(|error| panic!("{field} {text:?}: {error}"))
}

/// A VM of ours with such a TTL, made now.
fn seed_with_ttl(backend: &Backend, name: &str, ttl: &str) -> String {
    let mut labels = own(name);
    labels.insert("cloudctl-ttl".to_owned(), ttl.to_owned());
    seed(backend, name, &labels)
}

fn assert_created_with_ttl(backend: &Backend) {
    let made = backend.json("create web-1 --ttl 2h").expect(0).item();
    let shown = backend.json("describe web-1").expect(0).item();
    let end = backend.created_at("web-1") + Duration::from_secs(7_200);
    for item in [&made, &shown] {
        let off = time(item, "expires_at").duration_since(end).abs();
        assert!(off < SignedDuration::from_secs(31), "{off:?} off: {item}");
    }
    let same = backend.json("create web-1 --ttl 2h").expect(0).item();
    assert_eq!(same["id"], made["id"]);
}

/// The cloud is ahead of this machine: what is over there is over, whatever the time is here.
fn clock_twenty_minutes_slow_is_not_used(backend: &Backend) {
    let over = seed_with_ttl(backend, "over", "10m");
    let young = seed_with_ttl(backend, "young", "30m");
    backend.advance_with_dates(TWENTY_MINUTES);
    let plan = backend.json("terminate --expired --dry-run").expect(0);
    assert_eq!(plan.item()["id"], over.as_str());
    backend.run("terminate --expired -y").expect(0);
    assert_eq!(alive_ids(backend), [young]);
    assert_created_with_ttl(backend);
    backend.run("terminate --expired -y").expect(0);
    assert_eq!(backend.alive().len(), 2);
    // It is extended by the cloud's time, too.
    let extended = backend.json("extend young --ttl 1h").expect(0).item();
    let end = backend.now() + Duration::from_secs(3_600);
    let off = time(&extended, "expires_at").duration_since(end).abs();
    assert!(off < SignedDuration::from_secs(31), "{off:?} off: {extended}");
}

/// The cloud is behind this machine: what is over here only is not over.
fn clock_twenty_minutes_fast_is_not_used(backend: &Backend) {
    let emulator = backend.ec2();
    let first = seed_with_ttl(backend, "only-here", "10m");
    // Eleven minutes later; and the cloud's clock is nine minutes behind the time when it was made.
    backend.advance(Duration::from_secs(11 * 60));
    emulator.set_date_offset(SignedDuration::from_mins(-20));
    let run = backend.run("terminate --expired -y").expect(0);
    assert_eq!(alive_ids(backend), [first], "{}", run.stderr);
    assert_created_with_ttl(backend);
}

/// Once, and with what to do where it still is in the way.
fn wrong_clock_is_reported(backend: &Backend) {
    let emulator = backend.ec2();
    let told = |text: &str, word: &str| text.matches(word).count();
    seed(backend, "web-1", &own("web-1"));
    for (minutes, words) in [(20, "20 minutes slow"), (-20, "20 minutes fast"), (3, "")] {
        emulator.set_date_offset(SignedDuration::from_mins(minutes));
        let run = backend.run("list").expect(0);
        let warning = format!("warning: this machine's clock is {words} by the time of aws\n");
        assert_eq!(
            told(&run.stderr, &warning),
            usize::from(!words.is_empty()),
            "{}",
            run.stderr
        );
        assert_eq!(
            told(&run.stderr, "clock"),
            usize::from(!words.is_empty()),
            "{}",
            run.stderr
        );
    }
    emulator.set_date_offset(SignedDuration::from_mins(20));
    let quiet = backend
        .sandbox
        .command("list")
        .env("CLOUDCTL_LOG", "off")
        .output()
        .expect("a run");
    assert_eq!(
        (quiet.status.code(), String::from_utf8_lossy(&quiet.stderr).as_ref()),
        (Some(0), "")
    );
    // Who has the SDKs leave dates alone is refused, once, and told why.
    emulator.forget_calls();
    let mut command = backend.sandbox.command(&["list", "-r", backend.home_region()]);
    let refused = command
        .env("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "true")
        .output()
        .expect("a run");
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{stderr}");
    assert!(
        stderr.contains("hint: set this machine's clock: it is 20 minutes slow"),
        "{stderr}"
    );
    assert!(
        emulator.count("DescribeInstances") <= 2,
        "{}",
        emulator.count("DescribeInstances")
    );
    emulator.expire_credentials();
    let run = backend.run(&["list", "-r", backend.home_region()]).expect(4);
    run.expect_in_stderr("hint: set this machine's clock");
}
