//! What changes between the selection of VMs and their deletion.

use std::time::Duration;

use serde_json::Value;

use crate::Row;
use crate::background_command::{Running, while_held};
use crate::seed_instances::{alive_ids, is_alive, labels, own, seed};
use crate::support::backends::{Backend, BackendKind};
use crate::support::test_cloud::seed_name;

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        54 => create_races_terminate,
        54 => name_reused_by_others_during_terminate_is_spared,
        60 => thousand_vms_terminate_except_protected_ones,
        61 => batch_with_a_vm_already_gone_terminates,
        61 => big_batch_with_a_forgotten_vm_terminates,
        63 => terminating_vm_that_is_stuck_times_out,
    ];
    rows.extend(crate::rows![&[BackendKind::GceEmulator];
        30 => name_taken_over_before_the_delete_is_reported,
        30 => name_taken_over_before_the_last_look_is_spared,
        31 => disk_that_survives_the_delete_is_reported,
        31 => data_disk_that_stays_is_reported,
    ]);
    rows
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

fn name_taken_over_before_the_delete_is_reported(backend: &Backend) {
    let emulator = backend.gce();
    let made = backend.json("create web-1").expect(0).item();
    emulator.replace_before_delete("web-1");
    let run = backend.json("terminate web-1 -y").expect(6);
    let deleted: Vec<_> = emulator
        .operations()
        .into_iter()
        .filter(|operation| operation.resource["operationType"] == "delete")
        .map(|operation| operation.target_id)
        .collect();
    assert_eq!(deleted.len(), 1, "the call was not repeated: {deleted:?}");
    assert_ne!(deleted[0], text(&made, "id"), "the emulator replaced it");
    // Compute Engine deletes by name, so the other one is hit; it is named, for somebody to make up for it.
    let error = &run.json()["errors"][0];
    assert!(text(error, "leftover").ends_with(&deleted[0]), "{error}");
    run.expect_in_stderr(&deleted[0]);
}

fn name_taken_over_before_the_last_look_is_spared(backend: &Backend) {
    let emulator = backend.gce();
    let made = backend.json("create web-1").expect(0).item();
    let arguments = ["terminate", "web-1", "-y"];
    let run = while_held(backend, backend.operations().list, 1, &arguments, |_| {
        emulator.delete_from_outside("web-1");
        emulator.create_from_outside(text(&made, "zone"), "web-1", &[]);
    });
    let other = emulator.instance("web-1").expect("the other VM stands");
    assert_ne!(other.id, text(&made, "id"));
    assert_eq!(other.status, "RUNNING");
    assert_eq!(emulator.count("instances.delete"), 0);
    run.expect(6);
}

fn disk_that_survives_the_delete_is_reported(backend: &Backend) {
    let emulator = backend.gce();
    backend.run("create web-1").expect(0);
    backend.run("create web-2").expect(0);
    emulator.leave_disk("web-1");
    let run = backend.json("terminate web-1 web-2 -y --wait").expect(7);
    assert_eq!(backend.alive(), []);
    let left = emulator.disks();
    assert_eq!(left.len(), 1, "{left:?}");
    let error = &run.json()["errors"][0];
    assert!(
        text(error, "leftover").ends_with(&format!("/{}", left[0].name)),
        "{error}"
    );
    run.expect_in_stderr(&left[0].name);
    assert_eq!(run.items().len(), 2, "both VMs are gone all the same");
}

fn data_disk_that_stays_is_reported(backend: &Backend) {
    let emulator = backend.gce();
    for (name, wait) in [("web-1", true), ("web-2", false)] {
        backend.run(&["create", name]).expect(0);
        let data = format!("data-of-{name}");
        emulator.attach_lasting_disk(name, &data);
        let arguments = ["terminate", name, "-y", "--wait"];
        let run = backend.json(&arguments[..3 + usize::from(wait)]).expect(7);
        assert_eq!(backend.alive(), []);
        let left: Vec<_> = emulator.disks().into_iter().map(|disk| disk.name).collect();
        assert!(left.contains(&data), "{left:?}");
        let errors = run.json()["errors"].as_array().cloned().unwrap_or_default();
        assert_eq!(errors.len(), 1, "the disk that stays and no other: {errors:?}");
        assert!(
            text(&errors[0], "leftover").ends_with(&format!("/{data}")),
            "{errors:?}"
        );
    }
}

/// Rounds of a create and a terminate of one name at the same time.
fn create_races_terminate(backend: &Backend) {
    let theirs = seed(backend, "theirs", &labels(&[("env", "ci")]));
    backend.run("create other -l env=ci").expect(0);
    let bystanders = alive_ids(backend);
    assert_eq!(bystanders.len(), 2);
    assert!(bystanders.contains(&theirs));
    for round in 0..8 {
        // Every second round there is a VM to be ended.
        if round % 2 == 1 {
            backend.run("create web-1").expect(0);
        }
        let pause = Duration::from_millis(50 * round);
        let create = Running::json(backend, &["create", "web-1"]);
        std::thread::sleep(pause);
        let terminate = Running::json(backend, &["terminate", "web-1", "-y", "--ignore-not-found"]);
        let (created, ended) = (create.end(), terminate.end());
        assert!(
            matches!(created.code, 0 | 6),
            "round {round}: create came to {}\n{}\n{}",
            created.code,
            created.stdout,
            created.stderr
        );
        assert!(
            matches!(ended.code, 0 | 6),
            "round {round}: terminate came to {}\n{}",
            ended.code,
            ended.stderr
        );
        let alive = backend.alive();
        let ours: Vec<_> = alive.iter().filter(|one| one.name == "web-1").collect();
        assert!(ours.len() <= 1, "round {round}: {ours:?}");
        for id in &bystanders {
            assert!(is_alive(backend, id), "round {round}: {id} is gone");
        }
        // What is gone is what was said to be.
        if created.code == 0 && ours.is_empty() {
            let made = created.item();
            let said = ended.items().iter().any(|item| item["id"] == made["id"]);
            assert!(said, "round {round}: {made} is gone, and terminate did not say so");
        }
        backend.run("terminate web-1 -y --ignore-not-found --wait").expect(0);
    }
    assert_eq!(alive_ids(backend), bystanders);
}

fn name_reused_by_others_during_terminate_is_spared(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    let arguments = ["terminate", "web-1", "-y", "-r", backend.home_region()];
    // At the last look, another one of the same name appears in another zone.
    let mut zones = backend.site().home_zones.iter();
    let zone = zones.find(|zone| text(&made, "zone") != **zone);
    let mut theirs = String::new();
    let run = while_held(backend, backend.operations().list, 1, &arguments, |backend| {
        theirs = backend.seed(zone.expect("a zone"), "web-1", &labels(&[]));
    });
    assert!(matches!(run.code, 0 | 6), "{} {}", run.code, run.stderr);
    assert!(is_alive(backend, &theirs), "{}", run.stderr);
    let is_gone = !is_alive(backend, text(&made, "id"));
    assert_eq!(is_gone, run.code == 0);
}

fn thousand_vms_terminate_except_protected_ones(backend: &Backend) {
    const ALL: usize = 1_000;
    const PROTECTED: usize = 37;
    let backend = &backend.start_unchecked();
    backend.seed_many(backend.home_zone(), ALL, &|name| {
        let mut labels = own(name);
        labels.insert("env".to_owned(), "ci".to_owned());
        labels
    });
    // Over all zones, and over all calls.
    for number in (0..ALL).step_by(ALL / PROTECTED).take(PROTECTED) {
        backend.protect(&seed_name(number));
    }
    let started = std::time::Instant::now();
    let run = backend.json("terminate -l env=ci -y --expect 1000").expect(7);
    let seconds = started.elapsed().as_secs();
    let left = backend.alive();
    let calls = backend.count(backend.operations().terminate);
    println!(
        "{}: {ALL} selected, {PROTECTED} protected: {} left, {calls} terminating calls of {} in all, {seconds} s",
        backend.provider(),
        left.len(),
        backend.calls().len(),
    );
    assert_eq!(left.len(), PROTECTED);
    let errors = run.json()["errors"].as_array().cloned().unwrap_or_default();
    assert_eq!(errors.len(), PROTECTED);
    // Each that stands is named.
    for one in &left {
        let named = errors
            .iter()
            .any(|error| error["kind"] == "protected" && text(error, "message").contains(&one.id));
        assert!(named, "{} {}: {:?}", one.name, one.id, errors[0]);
    }
    assert_eq!(run.items().len(), ALL - PROTECTED);
    if backend.differences().changes_in_batches {
        // Ten batches, and for each protected one the halves that single it out.
        assert!(calls <= 400, "{calls} calls");
    }
}

/// Somebody ends one of them after it was planned.
fn batch_with_a_vm_already_gone_terminates(backend: &Backend) {
    for (names, by_name) in [(["web-1", "web-2", "web-3"], true), (["ci-1", "ci-2", "ci-3"], false)] {
        for name in names {
            backend.run(&["create", name, "-l", "env=ci"]).expect(0);
        }
        let selected = if by_name { &names[..] } else { &["-l", "env=ci"] };
        let arguments = [&["terminate", "-y", "-r", backend.home_region()], selected].concat();
        let run = while_held(backend, backend.operations().list, 1, &arguments, |backend| {
            backend.remove_unnoticed(names[1]);
        });
        run.expect(0);
        assert_eq!(backend.alive(), []);
    }
}

fn big_batch_with_a_forgotten_vm_terminates(backend: &Backend) {
    let count = if backend.differences().changes_in_batches {
        120
    } else {
        30
    };
    for number in 0..count {
        let name = format!("ci-{number}");
        let mut labels = own(&name);
        labels.insert("env".to_owned(), "ci".to_owned());
        seed(backend, &name, &labels);
    }
    let expected = count.to_string();
    let mut arguments = vec!["terminate", "-l", "env=ci", "-y", "--expect", &expected];
    arguments.extend(["-r", backend.home_region()]);
    let run = while_held(backend, backend.operations().list, 1, &arguments, |backend| {
        backend.remove_unnoticed("ci-7");
    });
    run.expect(0);
    assert_eq!(backend.alive(), []);
    if backend.differences().changes_in_batches {
        let calls = backend.count(backend.operations().terminate);
        assert!(calls <= 40, "{calls} calls");
    }
}

fn terminating_vm_that_is_stuck_times_out(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    backend.keep_terminating("web-1");
    let run = backend.json("terminate web-1 -y --wait --timeout 5s").expect(8);
    assert_eq!(run.error_kinds(), ["timeout"]);
    assert_eq!(run.item()["state"], "terminating");
    run.expect_in_stderr(text(&made, "id"));
    // Compute Engine has one state for both.
    let state = backend.instances().remove(0).state;
    assert!(["terminating", "stopping"].contains(&state.as_str()), "{state}");
    // It is on its way: nothing more is to be done.
    let again = backend.run("terminate web-1 -y --ignore-not-found");
    assert_eq!(again.code, 0, "{}", again.stderr);
}
