//! TTLs on Compute Engine: the run limit that the cloud enforces, and how it is extended.

use std::time::Duration;

use serde_json::Value;

use crate::Case;
use crate::cases::{cases, names, text};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::gce::{Emulator, LiveScheduling};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::GceEmulator];
        gce_ttl_is_a_run_limit,
        gce_ttl_out_of_bounds_is_refused,
        gce_expiry_without_timestamp_is_computed,
        gce_extend_is_refused_while_the_limit_is_fixed,
        gce_extend_moves_the_limit_if_allowed,
        gce_extend_ignores_scheduling_of_the_next_run,
        gce_extend_without_a_limit_sets_the_label,
        gce_extend_retries_when_labels_change_meanwhile,
        gce_stopped_vm_expires_by_label_and_cloud_clock,
    ])
}

fn emulator(backend: &Backend) -> &Emulator {
    backend.gce()
}

const HOUR: Duration = Duration::from_secs(3_600);

fn gce_ttl_is_a_run_limit(backend: &Backend) {
    let cloud = emulator(backend);
    for (name, flags) in [("web-1", &[][..]), ("spot-1", &["--spot"][..])] {
        let arguments = [&["create", name, "--ttl", "2h"][..], flags].concat();
        let made = backend.json(&arguments).expect(0).item();
        let seen = cloud.instance(name).unwrap();
        assert_eq!(seen.scheduling.max_run_duration, Some(2 * HOUR));
        assert_eq!(seen.scheduling.instance_termination_action.as_deref(), Some("DELETE"));
        assert_eq!(seen.labels["cloudctl-ttl"], "2h");
        assert_eq!(text(&made, "expiry_enforcer"), "cloud");
        let shown: jiff::Timestamp = text(&made, "expires_at").parse().unwrap();
        let off = shown.duration_since(seen.expires.unwrap()).abs();
        // Times are shown in whole seconds.
        assert!(
            off < jiff::SignedDuration::from_secs(1),
            "{name} shows {shown}, off by {off:?}"
        );
    }
    cloud.advance(2 * HOUR - Duration::from_secs(60));
    assert_eq!(names(&backend.json("list").expect(0).items()), ["spot-1", "web-1"]);
    cloud.advance(Duration::from_secs(120));
    assert_eq!((cloud.instance_count(), cloud.disks().len()), (0, 0));
}

fn gce_ttl_out_of_bounds_is_refused(backend: &Backend) {
    for ttl in ["29s", "121d"] {
        let run = backend.run(&["create", "web-1", "--ttl", ttl]).expect(2);
        run.expect_in_stderr("30s").expect_in_stderr("120d");
    }
    assert_eq!(backend.count("instances.insert"), 0);
    backend.run("create web-1 --ttl 120d").expect(0);
}

fn gce_expiry_without_timestamp_is_computed(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.set_hide_termination(true);
    let made = backend.json("create web-1 --ttl 2h").expect(0).item();
    assert_eq!(text(&made, "expiry_enforcer"), "cloud");
    let shown: jiff::Timestamp = text(&made, "expires_at").parse().unwrap();
    let off = shown.duration_since(cloud.instance("web-1").unwrap().expires.unwrap());
    assert!(off.abs() < jiff::SignedDuration::from_secs(1), "{off:?}");
}

fn gce_extend_is_refused_while_the_limit_is_fixed(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1 --ttl 1h").expect(0);
    let before = cloud.instance("web-1").unwrap();
    let run = backend.json("extend web-1 --ttl 4h").expect(6);
    let error = &run.json()["errors"][0];
    assert_eq!(text(error, "kind"), "refused");
    assert!(text(error, "hint").contains("cloudctl stop web-1"), "{error}");
    let after = cloud.instance("web-1").unwrap();
    assert_eq!((after.labels, after.expires), (before.labels, before.expires));

    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 --for stopped").expect(0);
    let extended = backend.json("extend web-1 --ttl 4h").expect(0).item();
    assert_eq!(text(&extended, "expiry_enforcer"), "tag");
    let limit = cloud.instance("web-1").unwrap().scheduling.max_run_duration.unwrap();
    assert!((4 * HOUR).abs_diff(limit) < Duration::from_secs(30), "{limit:?}");
    backend.run("start web-1").expect(0);
    let running = backend.json("describe web-1").expect(0).item();
    assert_eq!(text(&running, "expiry_enforcer"), "cloud");
    assert!(left(cloud, &running) > 3 * HOUR);
}

/// How long an instance has left, by what is shown of it and the cloud's clock.
fn left(cloud: &Emulator, shown: &Value) -> Duration {
    let end: jiff::Timestamp = text(shown, "expires_at").parse().unwrap();
    Duration::try_from(end.duration_since(cloud.now())).unwrap_or_default()
}

fn gce_extend_moves_the_limit_if_allowed(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.set_live_scheduling(LiveScheduling::Allow);
    backend.run("create web-1 --ttl 1h --spot").expect(0);
    let before = cloud.instance("web-1").unwrap();
    cloud.advance(Duration::from_secs(1_800));
    let extended = backend.json("extend web-1 --ttl 4h").expect(0).item();
    assert_eq!(text(&extended, "expiry_enforcer"), "cloud");
    assert!((4 * HOUR).abs_diff(left(cloud, &extended)) < Duration::from_secs(60));
    let after = cloud.instance("web-1").unwrap();
    assert_eq!(after.id, before.id);
    assert_eq!(after.scheduling.provisioning_model, "SPOT");
    assert!(after.labels["cloudctl-ttl"].starts_with("4h30m"), "{:?}", after.labels);
    cloud.advance(3 * HOUR);
    assert_eq!(cloud.instance_count(), 1);
    cloud.advance(2 * HOUR);
    assert_eq!(cloud.instance_count(), 0);
}

fn gce_extend_ignores_scheduling_of_the_next_run(backend: &Backend) {
    let cloud = emulator(backend);
    cloud.set_live_scheduling(LiveScheduling::NextRun);
    backend.run("create web-1 --ttl 1h").expect(0);
    let before = cloud.instance("web-1").unwrap();
    backend.run("extend web-1 --ttl 4h").expect(6);
    let after = cloud.instance("web-1").unwrap();
    assert_eq!(after.labels, before.labels);
    assert_eq!(after.scheduling.max_run_duration, Some(HOUR), "it was put back");
}

fn gce_extend_without_a_limit_sets_the_label(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1 -l env=ci").expect(0);
    let extended = backend.json("extend web-1 --ttl 4h").expect(0).item();
    assert_eq!(text(&extended, "expiry_enforcer"), "tag");
    let seen = cloud.instance("web-1").unwrap();
    assert_eq!(seen.labels["env"], "ci");
    assert!(seen.labels["cloudctl-ttl"].starts_with("4h"));
    assert_eq!(backend.count("instances.setScheduling"), 0);
}

fn gce_extend_retries_when_labels_change_meanwhile(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let effect = Effect::ErrorBefore {
        status: 412,
        code: "conditionNotMet".to_owned(),
    };
    backend.inject(Fault::on("instances.setLabels", effect).times(2));
    backend.run("extend web-1 --ttl 4h").expect(0);
    assert_eq!(backend.count("instances.setLabels"), 3);
    // The answer is lost: what the instance shows decides.
    backend.inject(Fault::on("instances.setLabels", Effect::ResetAfter));
    backend.run("extend web-1 --ttl 9h").expect(0);
    assert!(emulator(backend).instance("web-1").unwrap().labels["cloudctl-ttl"].starts_with("9h"));
}

fn gce_stopped_vm_expires_by_label_and_cloud_clock(backend: &Backend) {
    let cloud = emulator(backend);
    backend.run("create web-1 --ttl 2h").expect(0);
    backend.run("stop web-1").expect(0);
    backend.run("wait web-1 --for stopped").expect(0);
    backend.run("terminate --expired -y").expect(0);
    assert_eq!(cloud.instance_count(), 1);
    // Two hours by the cloud's clock, and none by this machine's.
    // A moment more: dates tell whole seconds.
    cloud.advance(2 * HOUR + Duration::from_secs(5));
    backend.run("terminate --expired -y --wait").expect(0);
    assert_eq!((cloud.instance_count(), cloud.disks().len()), (0, 0));
}
