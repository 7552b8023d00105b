//! Credentials that expire between two calls.

use std::time::Duration;

use crate::Row;
use crate::background_command::while_held;
use crate::seed_instances::alive_ids;
use crate::support::backends::{Backend, BackendKind};

pub fn rows() -> Vec<Row> {
    crate::rows![BackendKind::EMULATORS;
        43 => credentials_expiring_before_a_change_change_nothing,
        44 => credentials_expiring_after_a_create_name_the_vm,
    ]
}

fn credentials_expiring_before_a_change_change_nothing(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let before = alive_ids(backend);
    // After the last call before the change.
    for (arguments, lists) in [
        (&["create", "web-2"][..], 0),
        (&["terminate", "web-1", "-y"], 1),
        (&["stop", "web-1"], 0),
        (&["reboot", "web-1"], 0),
    ] {
        let arguments = [arguments, &["-r", backend.home_region()]].concat();
        let run = while_held(backend, backend.operations().list, lists, &arguments, |backend| {
            backend.expire_credentials()
        });
        assert_eq!(run.code, 4, "{arguments:?}: {}", run.stderr);
        assert_eq!(run.error_kinds(), ["unauthenticated"], "{arguments:?}");
        run.expect_in_stderr("hint: ");
        backend.renew_credentials();
        assert_eq!(alive_ids(backend), before, "{arguments:?}");
    }
    assert!(backend.instances().iter().all(|one| one.state == "running"));
    // A plan that cannot be looked at once more is not carried out.
    let arguments = ["terminate", "web-1", "-y", "-r", backend.home_region()];
    while_held(backend, backend.operations().list, 0, &arguments, |backend| {
        backend.expire_credentials()
    })
    .expect(4);
    backend.renew_credentials();
    assert_eq!(alive_ids(backend), before);
    backend.run("create web-2").expect(0);
    backend.run("terminate web-1 -y").expect(0);
    assert_eq!(backend.alive().len(), 1);
}

fn credentials_expiring_after_a_create_name_the_vm(backend: &Backend) {
    let arguments = ["create", "web-1", "--ttl", "2h"];
    let run = while_held(backend, backend.operations().create, 0, &arguments, |backend| {
        backend.expire_credentials()
    })
    .expect(8);
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!(run.item()["id"], alive[0].id.as_str(), "{}", run.stderr);
    // It ends by itself all the same.
    assert_eq!(alive[0].labels.get("cloudctl-ttl").map(String::as_str), Some("2h"));
    assert!(backend.ends_by_itself("web-1", Duration::from_secs(7_200)));
    let disks = backend.disk_labels();
    assert!(
        disks.iter().all(|labels| labels.contains_key("cloudctl-name")),
        "{disks:?}"
    );
    backend.renew_credentials();
    let again = backend.json(&arguments).expect(0).item();
    assert_eq!(again["id"], alive[0].id.as_str());
    assert_eq!(backend.alive().len(), 1);
}
