//! VMs that are not named: by a pattern, by labels, by a filter. Who changes them changes cloudctl's alone.

use crate::Case;
use crate::cases::{cases, names};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        terminate_by_filter_takes_what_matches,
        terminate_by_pattern_skips_unmanaged_vms,
        selectors_that_only_match_alone_are_refused,
        stop_and_start_by_label_skip_unmanaged_vms,
        reading_verbs_take_every_selection,
    ]);
    all.extend(cases![BackendKind::EMULATORS;
        incomplete_listing_refuses_a_selection,
    ]);
    all.extend(cases![&[BackendKind::Ec2Emulator, BackendKind::Moto];
        ec2_filter_of_protection_is_refused,
    ]);
    all
}

fn alive(backend: &Backend) -> Vec<String> {
    let mut alive: Vec<_> = backend.alive().into_iter().map(|seen| seen.name).collect();
    alive.sort();
    alive
}

fn terminate_by_filter_takes_what_matches(backend: &Backend) {
    backend.create_unmanaged("theirs");
    backend.run("create web-1 -l env=ci").expect(0);
    backend.run("create web-2 -l env=dev").expect(0);
    backend.run("create db-1 -l env=ci").expect(0);
    let refused = backend.run("terminate --filter state=running").expect(2);
    refused.expect_in_stderr("3 VMs").expect_in_stderr("pass -y");
    let nothing = backend.run("terminate --filter age>2h -y").expect(0);
    nothing.expect_in_stderr("no VM created by cloudctl has age>2h");
    assert_eq!(alive(backend).len(), 4);
    backend.run("terminate -l env=ci --filter name=web-* -y").expect(0);
    assert_eq!(alive(backend), ["db-1", "theirs", "web-2"]);
    backend.run("terminate --filter state=running -y --expect 2").expect(0);
    assert_eq!(alive(backend), ["theirs"]);
}

/// EC2 tells the protection of one instance at a time.
fn ec2_filter_of_protection_is_refused(backend: &Backend) {
    backend.run("create web-1 --protect").expect(0);
    for verb in ["list", "unprotect", "terminate -y"] {
        let refused = backend.run(&format!("{verb} --filter protected=yes")).expect(2);
        refused.expect_in_stderr("aws does not list which VMs are protected");
    }
    backend.run("unprotect web-1").expect(0);
}

fn terminate_by_pattern_skips_unmanaged_vms(backend: &Backend) {
    backend.create_unmanaged("worker-theirs");
    for name in ["worker-1", "worker-2", "web-1"] {
        backend.run(&["create", name]).expect(0);
    }
    backend.run("terminate 'worker-*'").expect(2);
    backend.run("terminate 'worker-*' 'db-*' -y").expect(3);
    backend.run("terminate 'worker-*' --expect 3 -y").expect(6);
    assert_eq!(alive(backend).len(), 4);
    let preview = backend.json("terminate 'worker-?' --dry-run").expect(0);
    assert_eq!(names(&preview.items()), ["worker-1", "worker-2"]);
    backend.run("terminate 'worker-*' -y --wait").expect(0);
    assert_eq!(alive(backend), ["web-1", "worker-theirs"]);
    let none = backend.run("terminate 'worker-*' -y").expect(3);
    none.expect_in_stderr("no VM created by cloudctl is called worker-*");
    backend.run("terminate 'worker-*' -y --ignore-not-found").expect(0);
}

fn selectors_that_only_match_alone_are_refused(backend: &Backend) {
    backend.run("create one -l team=blue -l role=db").expect(0);
    backend.run("create two -l team=red -l role=worker").expect(0);
    backend.run("create three -l team=red -l role=worker").expect(0);
    for verb in ["terminate -y", "stop -y", "start", "reboot -y", "protect", "unprotect"] {
        let refused = backend.json(&format!("{verb} -l team=blue -l role=worker")).expect(6);
        assert_eq!(refused.error_kinds(), ["refused"]);
        refused.expect_in_stderr("1 has team=blue, 2 have role=worker; nothing was changed");
    }
    assert_eq!(alive(backend).len(), 3);
    assert!(backend.alive().iter().all(|seen| seen.state == "running"));
    // One selector says on purpose that both are meant.
    let nothing = backend.run("terminate -l team=blue,role=worker -y").expect(0);
    nothing.expect_in_stderr("nothing to terminate");
    let nothing = backend.run("terminate -l team=blue -l role=cache -y").expect(0);
    nothing.expect_in_stderr("1 has team=blue, none has role=cache");
    backend.run("terminate -l team=red -l role=worker -y").expect(0);
    assert_eq!(alive(backend), ["one"]);
}

fn stop_and_start_by_label_skip_unmanaged_vms(backend: &Backend) {
    backend.create_unmanaged("theirs");
    backend.run("create web-1 -l env=ci").expect(0);
    backend.run("create web-2 -l env=ci").expect(0);
    backend.run("create db-1 -l env=dev").expect(0);
    backend.run("stop -l env=ci").expect(2);
    let stopped = backend.json("stop -l env!=dev -y").expect(0);
    assert_eq!(names(&stopped.items()), ["web-1", "web-2"]);
    backend.run("wait -l env=ci --for stopped").expect(0);
    let running: Vec<_> = backend
        .alive()
        .into_iter()
        .filter(|seen| seen.state == "running")
        .collect();
    assert_eq!(running.len(), 2, "{running:?}");
    let started = backend.json("start --filter state=stopped,name=*-2").expect(0);
    assert_eq!(names(&started.items()), ["web-2"]);
    let waited = backend.json("wait 'web-?' 'db-*' --for running --timeout 1s").expect(8);
    assert_eq!(names(&waited.items()), ["db-1", "web-1", "web-2"]);
}

fn reading_verbs_take_every_selection(backend: &Backend) {
    backend.create_unmanaged("web-theirs");
    backend.run("create web-1 -l env=ci").expect(0);
    backend.run("create db-1 -l env=ci").expect(0);
    let found = |arguments: &str| names(&backend.json(arguments).expect(0).items()).join(" ");
    for verb in ["list", "describe"] {
        assert_eq!(found(&format!("{verb} 'web-*'")), "web-1 web-theirs");
        assert_eq!(found(&format!("{verb} web-1 'd?-1'")), "db-1 web-1");
        assert_eq!(found(&format!("{verb} -l env=ci")), "db-1 web-1");
        assert_eq!(found(&format!("{verb} --filter name!=web-*")), "db-1");
        assert_eq!(found(&format!("{verb} -l 'env in (ci, dev)' --filter name~db")), "db-1");
        assert_eq!(found(&format!("{verb} -l '! env'")), "web-theirs");
        backend.run(&format!("{verb} absent")).expect(3);
        let empty = backend.run(&format!("{verb} -l env=prod")).expect(0);
        empty.expect_in_stderr("no VM has env=prod");
    }
    let empty = backend.run("list 'absent-*'").expect(0);
    empty.expect_in_stderr("no VM is called absent-*");
    backend.run("describe 'absent-*'").expect(3);
    assert_eq!(found("list 'web-*' -l env=ci"), "web-1");
}

fn incomplete_listing_refuses_a_selection(backend: &Backend) {
    backend.run("create web-1 -l env=ci").expect(0);
    backend.run("create web-2 -l env=ci").expect(0);
    let missing = backend.hide_other_region();
    for verb in ["terminate -y", "stop -y", "start", "protect", "extend --ttl 2h"] {
        for selection in ["'web-*'", "-l env=ci", "--filter name=web-1"] {
            let refused = backend.run(&format!("{verb} {selection}")).expect(6);
            refused.expect_in_stderr("nothing was changed");
        }
    }
    assert_eq!(alive(backend).len(), 2);
    for arguments in ["describe 'web-*'", "list 'web-*'", "describe -l env=ci", "wait 'web-*'"] {
        let run = backend.json(arguments).expect(7);
        assert_eq!(names(&run.items()), ["web-1", "web-2"], "{arguments}");
        assert!(missing.iter().any(|place| run.stdout.contains(place)), "{run:?}");
    }
    let home = backend.home_region();
    backend.run(&format!("terminate 'web-*' -y -r {home}")).expect(0);
    assert_eq!(alive(backend), [""; 0]);
}
