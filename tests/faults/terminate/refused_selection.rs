//! What `terminate` and the other changing commands refuse before they change anything.

use crate::Row;
use crate::seed_instances::{alive_ids, is_alive, labels, seed, seed_at};
use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::Sandbox;
use cloud_emulators::gce;
use cloud_emulators::python_environment;

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        35 => region_that_is_down_stops_a_selector,
        56 => name_of_two_vms_is_ambiguous,
        57 => empty_selection_changes_nothing,
        58 => credentials_for_another_account_change_nothing,
        59 => unmanaged_vm_is_not_changed,
        62 => expect_with_another_number_changes_nothing,
    ];
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator];
        55 => name_in_both_clouds_is_ambiguous,
    ]);
    rows
}

/// The calls that change something.
fn changes(backend: &Backend) -> Vec<String> {
    let names = backend.calls().into_iter().map(|call| call.operation.name);
    names
        .filter(|name| {
            let verb = name.rsplit('.').next().unwrap_or_default();
            let reads = ["Describe", "Get", "get", "list", "aggregatedList", "wait"];
            !reads.iter().any(|read| verb.starts_with(read))
        })
        .collect()
}

fn region_that_is_down_stops_a_selector(backend: &Backend) {
    for region in [backend.home_region(), backend.other_region()] {
        let name = format!("in-{region}");
        backend.run(&["create", &name, "-r", region, "-l", "env=ci"]).expect(0);
    }
    let before = (alive_ids(backend), changes(backend).len());
    backend.hide_other_region();
    let run = backend.run("terminate -l env=ci -y").expect(6);
    run.expect_in_stderr(backend.other_region());
    // That nothing is past its time is not known of all; and how many are is not known at all.
    for (arguments, code) in [
        (&["terminate", "--expired", "-y"][..], 7),
        (&["terminate", "-l", "env=ci", "--expired", "-y"], 7),
        (&["terminate", "--expired", "-y", "--expect", "0"], 6),
    ] {
        let run = backend.run(arguments).expect(code);
        run.expect_in_stderr(backend.other_region());
    }
    assert_eq!((alive_ids(backend), changes(backend).len()), before);
    // Whoever limits it to what answers gets that.
    backend
        .run(&["terminate", "-l", "env=ci", "-y", "-r", backend.home_region()])
        .expect(0);
    let alive = backend.alive();
    assert_eq!(alive.len(), 1, "{alive:?}");
    assert_eq!(alive[0].region, backend.other_region());
}

fn name_in_both_clouds_is_ambiguous(backend: &Backend) {
    let aws = backend.ec2();
    let gcp = gce::Emulator::start_with_discovery(&python_environment::discovery_document());
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&aws.url()).point_at_gcp(&gcp.url(), gce::PROJECT);
    for provider in ["aws", "gcp"] {
        sandbox.run(&["create", "web-1", "-p", provider]).expect(0);
    }
    let alive = || (aws.alive().len(), gcp.instances().len());
    for arguments in [
        &["terminate", "web-1", "-y"][..],
        &["terminate", "web-1", "-y", "--ignore-not-found"],
        &["stop", "web-1"],
        &["reboot", "web-1"],
        &["protect", "web-1"],
        &["extend", "web-1", "--ttl", "2h"],
        &["describe", "web-1"],
    ] {
        let run = sandbox.run(arguments).expect(3);
        for full in ["aws/us-east-1/i-", "gcp/us-central1-"] {
            assert!(run.stderr.contains(full), "{arguments:?}: {}", run.stderr);
        }
    }
    assert_eq!(alive(), (1, 1));
    assert!(gcp.instances().iter().all(|one| one.status == "RUNNING"));
    assert!(aws.instances().iter().all(|one| one.state == "running"));
    // Where one is to be made is asked for, too.
    sandbox.run("create web-1").expect(2);
    assert_eq!(alive(), (1, 1));
    sandbox.run("terminate web-1 -y -p aws").expect(0);
    assert_eq!(alive(), (0, 1));
    assert_eq!(gcp.violations(), Vec::<String>::new());
}

fn name_of_two_vms_is_ambiguous(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    let id = made["id"].as_str().expect("an id").to_owned();
    let theirs = seed_at(backend, backend.site().other_zone, "web-1", &labels(&[]));
    let before = (alive_ids(backend), changes(backend).len());
    for arguments in [
        &["terminate", "web-1", "-y"][..],
        &["terminate", "web-1", "-y", "--ignore-not-found", "--include-unmanaged"],
        &["stop", "web-1"],
        &["start", "web-1"],
        &["reboot", "web-1"],
        &["protect", "web-1"],
        &["extend", "web-1", "--ttl", "2h"],
    ] {
        let run = backend.run(arguments).expect(3);
        assert!(
            run.stderr.contains(&id) && run.stderr.contains(&theirs),
            "{arguments:?}: {}",
            run.stderr
        );
    }
    assert_eq!((alive_ids(backend), changes(backend).len()), before);
    backend.run(&["terminate", &id, "-y"]).expect(0);
    assert!(!is_alive(backend, &id) && is_alive(backend, &theirs));
}

fn empty_selection_changes_nothing(backend: &Backend) {
    seed(backend, "web-1", &crate::seed_instances::own("web-1"));
    for arguments in [
        &["terminate", "-y"][..],
        &["terminate", "", "-y"],
        &["terminate", " ", "-y"],
        &["terminate", "-l", "", "-y"],
        &["terminate", "-l", ",", "-y"],
        &["terminate", "-y", "--ignore-not-found"],
        &["terminate", "-y", "--include-unmanaged"],
        &["terminate", "-y", "--expect", "0"],
        &["terminate", "aws/us-east-1/", "-y"],
        &["terminate", "web-1", "", "-y"],
        &["stop"],
        &["stop", ""],
        &["start"],
        &["reboot"],
        &["protect"],
        &["unprotect"],
        &["extend", "--ttl", "2h"],
        &["wait", "--for", "terminated"],
    ] {
        backend.run(arguments).expect(2);
        assert!(backend.calls().is_empty(), "{arguments:?}: {:?}", backend.calls());
    }
    assert_eq!(backend.alive().len(), 1);
}

fn credentials_for_another_account_change_nothing(backend: &Backend) {
    let pin = backend.account_pin();
    let made = backend.json("create web-1 -l env=ci").expect(0).item();
    let reference = made["ref"].as_str().expect("a reference");
    let before = (alive_ids(backend), changes(backend).len());
    let file = format!(
        "current = \"dev\"\n[contexts.dev]\n[contexts.dev.{}]\n{} = \"{}\"\n",
        backend.provider(),
        pin.setting,
        pin.wrong
    );
    let file = backend.sandbox.write("pinned.toml", &file);
    for (name, value) in [(pin.variable, pin.wrong), ("CLOUDCTL_CONFIG", file.as_str())] {
        for arguments in [
            &["create", "web-2"][..],
            &["terminate", "web-1", "-y"],
            &["terminate", reference, "-y"],
            &["terminate", "-l", "env=ci", "-y"],
            &["stop", "web-1"],
            &["start", "web-1"],
            &["reboot", "web-1"],
            &["protect", "web-1"],
            &["unprotect", "web-1"],
            &["extend", "web-1", "--ttl", "2h"],
        ] {
            let arguments = [arguments, &["-p", backend.provider()]].concat();
            let mut command = backend.sandbox.command(&arguments);
            let output = command.env(name, value).output().expect("the binary runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(6), "{arguments:?}: {errors}");
            assert!(errors.contains(pin.wrong), "{arguments:?}: {errors}");
        }
    }
    assert_eq!((alive_ids(backend), changes(backend).len()), before);
    // The right one changes nothing for the worse.
    let arguments = ["terminate", "web-1", "-y", "-p", backend.provider()];
    let status = backend
        .sandbox
        .command(&arguments)
        .env(pin.variable, pin.right)
        .output();
    assert_eq!(status.expect("the binary runs").status.code(), Some(0));
    assert_eq!(backend.alive(), []);
}

fn unmanaged_vm_is_not_changed(backend: &Backend) {
    let theirs = seed(backend, "theirs", &labels(&[("env", "ci")]));
    backend.run("create ours -l env=ci").expect(0);
    let before = (alive_ids(backend), changes(backend).len());
    for arguments in [
        &["terminate", "theirs", "-y"][..],
        &["terminate", &theirs, "-y"],
        &["terminate", "ours", "theirs", "-y"],
        &["terminate", "theirs", "-y", "--wait", "--ignore-not-found"],
        &[
            "terminate",
            "-l",
            "env=ci",
            "--include-unmanaged",
            "--expect",
            "1",
            "-y",
        ],
        &["extend", "theirs", "--ttl", "2h"],
    ] {
        backend.run(arguments).expect(6);
        assert_eq!((alive_ids(backend), changes(backend).len()), before, "{arguments:?}");
    }
    // A selector takes ours alone.
    backend.run("terminate -l env=ci -y").expect(0);
    assert_eq!(alive_ids(backend), [theirs]);
}

fn expect_with_another_number_changes_nothing(backend: &Backend) {
    backend.run("create web --count 3 -l env=ci").expect(0);
    let before = (alive_ids(backend), changes(backend).len());
    for expected in ["0", "2", "4", "1000"] {
        for arguments in [
            &["terminate", "-l", "env=ci", "-y", "--expect", expected][..],
            &["terminate", "web-1", "web-2", "web-3", "-y", "--expect", expected],
            &["terminate", "-l", "env=ci", "--dry-run", "--expect", expected],
        ] {
            backend.run(arguments).expect(6);
        }
    }
    // A protected one is selected, too.
    backend.run("terminate --expired -y --expect 1").expect(6);
    assert_eq!((alive_ids(backend), changes(backend).len()), before);
    backend.run("terminate -l env=ci -y --expect 3").expect(0);
    assert_eq!(backend.alive(), []);
}
