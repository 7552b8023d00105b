//! Which VMs a command is about: patterns of names, `-l` and `--filter` under every verb.

use crate::support::sandbox::{Run, Sandbox};
use crate::{create, edit, names};

/// The verbs that take VMs and change them, with what else they need.
const CHANGES: [&str; 7] = [
    "start",
    "stop -y",
    "reboot -y",
    "terminate -y",
    "protect",
    "unprotect",
    "extend --ttl 9h",
];

fn run(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.run(&format!("{arguments} -p mock"))
}

/// `web-1` and `web-2` with env=ci, `db-1` with env=dev, and `web-theirs`, which cloudctl did not create.
fn with_four() -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-l", "env=ci", "-l", "team=web"]);
    create(&sandbox, &["web-2", "-l", "env=ci"]);
    create(&sandbox, &["db-1", "-l", "env=dev", "-l", "team=data"]);
    create(&sandbox, &["web-theirs"]);
    edit(&sandbox, "web-theirs", |one| {
        one["labels"] = serde_json::json!({"env": "ci"})
    });
    sandbox
}

/// The names of the VMs that were printed.
fn printed_names(run: &Run) -> Vec<String> {
    let items = run.items();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_change_takes_patterns_labels_and_filters() {
    for verb in CHANGES {
        for (selection, expected) in [
            ("'web-*'", &["web-1", "web-2"][..]),
            ("mock/us-east-1/web-?", &["web-1", "web-2"]),
            ("db-1 '*-2'", &["db-1", "web-2"]),
            ("-l env=ci", &["web-1", "web-2"]),
            ("-l 'env in ( ci , prod )'", &["web-1", "web-2"]),
            ("-l 'env notin (ci)'", &["db-1"]),
            ("-l '! team'", &["web-2"]),
            ("-l ' team '", &["web-1", "db-1"]),
            ("-l 'team,env!=dev'", &["web-1"]),
            ("-l env -l 'team in (data,web)'", &["web-1", "db-1"]),
            ("--filter name=web-*", &["web-1", "web-2"]),
            ("--filter 'cpus>=1,label.env=d*'", &["db-1"]),
            ("-l env=ci --filter name!=*-2", &["web-1"]),
        ] {
            let sandbox = with_four();
            let changed = run(&sandbox, &format!("{verb} {selection} -o json"));
            // A restarted VM may be starting still, which is an error of that VM.
            let mut names = printed_names(&changed.expect(0));
            names.sort();
            let mut expected: Vec<_> = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(names, expected, "{verb} {selection}");
        }
    }
}

#[test]
fn wait_and_describe_take_every_selection() {
    let sandbox = with_four();
    for verb in ["describe", "wait --for running"] {
        for (selection, expected) in [
            ("'web-*'", "web-1 web-2 web-theirs"),
            ("-l env=ci", "web-1 web-2 web-theirs"),
            ("-l env=ci --filter managed=yes", "web-1 web-2"),
            ("--filter label.team~a", "db-1"),
        ] {
            let shown = run(&sandbox, &format!("{verb} {selection} -o json")).expect(0);
            let mut names = printed_names(&shown);
            names.sort();
            assert_eq!(names.join(" "), expected, "{verb} {selection}");
        }
    }
}

#[test]
fn references_with_conditions_are_refused() {
    let sandbox = with_four();
    let reading = ["describe", "wait"];
    for verb in CHANGES.into_iter().chain(reading) {
        for selection in ["web-1 -l env=ci", "web-1 --filter state=running", "'web-*' -l env=ci"] {
            let refused = run(&sandbox, &format!("{verb} {selection}")).expect(2);
            refused.expect_in_stderr(match verb {
                "wait" => "VMs are both named and selected with -l or --filter",
                _ => "cannot be used with",
            });
        }
    }
    assert_eq!(names(&sandbox).len(), 4);
    let listed = run(&sandbox, "list 'web-*' -l team --filter state=running -o name").expect(0);
    assert_eq!(listed.stdout, "web-1\n");
}

#[test]
fn stop_of_a_selection_needs_confirmation_and_start_does_not() {
    let sandbox = with_four();
    for verb in ["reboot", "stop"] {
        for selection in ["-l env=ci", "'web-?'", "--filter name~web-"] {
            let refused = run(&sandbox, &format!("{verb} {selection}")).expect(2);
            refused.expect_in_stderr(format!("this would {verb} 2 VMs in mock"));
            refused.expect_in_stderr("pass -y to confirm");
        }
        run(&sandbox, &format!("{verb} -l env=ci -y --expect 3")).expect(6);
        run(&sandbox, &format!("{verb} -l env=ci -y --expect 2")).expect(0);
        run(&sandbox, &format!("{verb} -l env=ci -y --dry-run")).expect(2);
    }
    run(&sandbox, "stop db-1").expect(0);
    run(&sandbox, "stop web-1 db-1 --expect 1").expect(6);
    run(&sandbox, "wait -l env --filter managed=yes --for stopped").expect(0);
    for verb in ["start", "protect", "unprotect", "extend --ttl 9h"] {
        run(&sandbox, &format!("{verb} -l env")).expect(0);
    }
}

#[test]
fn many_of_a_selection_need_their_number() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    run(&sandbox, "create x --count 11 -l a=b --wait none -q").expect(0);
    for selection in ["-l a=b", "'x-*'", "--filter label.a=b"] {
        for verb in ["stop", "reboot", "terminate"] {
            let refused = run(&sandbox, &format!("{verb} {selection} -y")).expect(2);
            refused.expect_in_stderr("pass --expect 11");
        }
        run(&sandbox, &format!("reboot {selection} -y --expect 11")).expect(0);
    }
    run(&sandbox, "terminate 'x-*' -y --expect 11").expect(0);
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn pattern_that_matches_nothing_is_an_error_of_a_change() {
    let sandbox = with_four();
    for verb in CHANGES {
        let missing = run(&sandbox, &format!("{verb} 'cache-*'")).expect(3);
        missing.expect_in_stderr("no VM created by cloudctl is called cache-*");
        run(&sandbox, &format!("{verb} 'web-t*'")).expect(3);
        run(&sandbox, &format!("{verb} web-1 'cache-*'")).expect(3);
    }
    for verb in ["describe", "wait"] {
        run(&sandbox, &format!("{verb} 'cache-*'")).expect(3);
    }
    run(&sandbox, "terminate 'cache-*' -y --ignore-not-found").expect(0);
    run(&sandbox, "wait 'cache-*' --for terminated").expect(0);
    assert_eq!(names(&sandbox).len(), 4);
}

#[test]
fn selectors_that_match_nothing_say_what_was_looked_for() {
    let sandbox = with_four();
    for verb in CHANGES {
        let word = verb.split(' ').next().unwrap();
        let nothing = run(&sandbox, &format!("{verb} -l env=prod")).expect(0);
        nothing.expect_in_stderr(format!("nothing to {word}: no VM created by cloudctl has env=prod"));
        let nothing = run(&sandbox, &format!("{verb} -l env=ci -l role=web")).expect(0);
        nothing.expect_in_stderr("has both env=ci and role=web: 2 have env=ci, none has role=web");
        let nothing = run(&sandbox, &format!("{verb} -l env=ci --filter state=stopped,name=web-*")).expect(0);
        nothing.expect_in_stderr("has both env=ci and state=stopped,name=web-*");
    }
    let listed = run(&sandbox, "list -l env=ci -l team=data").expect(0);
    listed.expect_in_stderr("no VM has both env=ci and team=data: 3 have env=ci, 1 has team=data");
    let listed = run(&sandbox, "list -l a -l b --filter name=c").expect(0);
    listed.expect_in_stderr("no VM has all of a, b and name=c");
    run(&sandbox, "wait -l env=prod --timeout 1s").expect(3);
    let gone = run(&sandbox, "wait -l env=prod --for terminated").expect(0);
    gone.expect_in_stderr("no VM has env=prod");
}

#[test]
fn selectors_that_match_alone_but_not_together_are_refused() {
    let sandbox = with_four();
    let before = crate::mock_file(&sandbox);
    for verb in CHANGES {
        let refused = run(&sandbox, &format!("{verb} -l env=ci -l team=data")).expect(6);
        refused.expect_in_stderr("has both env=ci and team=data: 2 have env=ci, 1 has team=data; nothing was changed");
        refused.expect_in_stderr("hint: to change the VMs of each selector, run the command once for each -l");
    }
    run(&sandbox, "terminate --dry-run -l env=ci -l team=data").expect(6);
    run(&sandbox, "terminate --expired -y -l env=ci -l team=data").expect(6);
    assert_eq!(crate::mock_file(&sandbox), before);
    run(&sandbox, "terminate -y -l env=ci,team=data").expect(0);
    // Some have both, and only the filter leaves them out.
    run(&sandbox, "terminate -y -l env=ci -l team=web --filter age>2h").expect(0);
    assert_eq!(names(&sandbox).len(), 4);
}

#[test]
fn list_of_an_absent_name_is_not_found() {
    let sandbox = with_four();
    for format in ["", "-o json", "-o jsonl"] {
        let missing = run(&sandbox, &format!("list web-1 absent other {format}")).expect(3);
        missing.expect_in_stderr("no VM is called absent or other");
        assert!(missing.stdout.contains("web-1"), "{}", missing.stdout);
    }
    let missing = run(&sandbox, "list absent -o json").expect(3);
    assert_eq!(missing.error_kinds(), ["not_found"]);
    let empty = run(&sandbox, "list 'absent-*' 'x?' -o json").expect(0);
    empty.expect_in_stderr("no VM is called absent-* or x?");
    assert_eq!(empty.items(), [serde_json::Value::Null; 0]);
    let full = sandbox.run("list mock/us-east-1/web-2 -o name").expect(0);
    assert_eq!(full.stdout, "web-2\n");
}

#[test]
fn list_of_a_name_shows_every_vm_of_that_name() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["twin", "-r", "us-east-1"]);
    create(&sandbox, &["twin", "-r", "eu-west-1"]);
    assert_eq!(run(&sandbox, "list twin -o name").expect(0).stdout, "twin\ntwin\n");
    assert_eq!(
        run(&sandbox, "list twin -r eu-west-1 -o name").expect(0).stdout,
        "twin\n"
    );
    run(&sandbox, "list twin -r ap-south-1").expect(3);
}

#[test]
fn console_takes_a_pattern_that_means_one_vm() {
    let sandbox = with_four();
    run(&sandbox, "console 'db-*'").expect(0);
    let ambiguous = run(&sandbox, "console 'web-*'").expect(3);
    ambiguous.expect_in_stderr("web-* matches 3 VMs: mock/us-east-1/");
    run(&sandbox, "console 'x*'").expect(3);
}

#[test]
fn filter_takes_a_pattern_unless_it_is_quoted() {
    let sandbox = with_four();
    let listed = |filter: &str| {
        let run = run(&sandbox, &format!("list -o name --filter '{filter}'")).expect(0);
        run.stdout.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed("name=web-*"), "web-1 web-2 web-theirs");
    assert_eq!(listed("name!=web-*"), "db-1");
    assert_eq!(listed("name=w?b-?"), "web-1 web-2");
    assert_eq!(listed("name~eb-*s"), "web-theirs");
    assert_eq!(listed("label.team=*a*"), "db-1");
    assert_eq!(listed("zone=us-east-*,name=d*"), "db-1");
    assert_eq!(listed("name=\"web-*\""), "");
    run(&sandbox, "list --filter state=run*").expect(2);
}

#[test]
fn terminated_vm_is_named_as_such() {
    let sandbox = with_four();
    run(&sandbox, "terminate web-1 -y --wait -q").expect(0);
    for verb in ["describe", "stop", "wait", "console"] {
        let missing = run(&sandbox, &format!("{verb} web-1")).expect(3);
        missing.expect_in_stderr("no VM is called web-1; mock/us-east-1/");
        missing.expect_in_stderr("matches, but is terminated");
        missing.expect_not_in_stderr("--all");
    }
}

#[test]
fn doctor_counts_what_list_shows() {
    let sandbox = with_four();
    run(&sandbox, "terminate web-1 -y --wait -q").expect(0);
    let listed = run(&sandbox, "list -q").expect(0).stdout.lines().count();
    assert_eq!(listed, 3);
    assert_eq!(run(&sandbox, "list -q --all").expect(0).stdout.lines().count(), 4);
    let doctor = run(&sandbox, "doctor").expect(0);
    assert!(doctor.stdout.contains("ms, 3 VMs"), "{}", doctor.stdout);
}

#[test]
fn silent_region_leaves_a_selection_uncertain() {
    let mut sandbox = with_four();
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    for verb in CHANGES {
        for selection in ["'web-*'", "web-1 'db-*'", "-l env=ci", "--filter state=running"] {
            let refused = run(&sandbox, &format!("{verb} {selection}")).expect(6);
            refused
                .expect_in_stderr("eu-west-1")
                .expect_in_stderr("nothing was changed");
        }
    }
    for arguments in [
        "describe 'web-*'",
        "describe -l env=ci",
        "wait -l env=ci",
        "list 'web-?'",
    ] {
        let shown = run(&sandbox, &format!("{arguments} -o json")).expect(7);
        assert!(shown.items().len() >= 2, "{arguments}");
        shown.expect_in_stderr("eu-west-1");
    }
    run(&sandbox, "list absent").expect(7);
    run(&sandbox, "protect 'web-*' -r us-east-1").expect(0);
    // A scope asks nowhere else.
    run(&sandbox, "unprotect 'mock/us-east-1/web-*'").expect(0);
}

/// A pattern with a scope lists VMs elsewhere. They are not meant by a name without one.
#[test]
fn name_means_no_vm_that_only_a_scoped_pattern_lists() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    for name in ["web-1", "x1"] {
        sandbox
            .run(&["create", name, "-p", "mock", "-r", "eu-west-1"])
            .expect(0);
    }
    sandbox.set("CLOUDCTL_REGION", "us-east-1");
    for verb in ["terminate", "stop"] {
        let line = format!("{verb} web-1 'mock/eu-west-1/x*' -p mock -y");
        let missing = sandbox.run(&line).expect(3);
        missing.expect_in_stderr("no VM is called web-1");
    }
    let listed = sandbox.run("list web-1 'mock/eu-west-1/x*' -p mock -o json");
    assert_eq!(printed_names(&listed), ["x1"]);
    listed.expect(3).expect_in_stderr("no VM is called web-1");
    let states = sandbox
        .run("list -p mock -r eu-west-1 -o columns=name,state --no-headers")
        .expect(0);
    assert_eq!(states.stdout, "web-1  running\nx1     running\n");
}

/// As for every command, a full reference is looked for where it says, whatever the region of the settings.
#[test]
fn list_finds_a_full_reference_in_its_own_region() {
    let mut sandbox = with_four();
    let listed = sandbox.run("list web-1 -p mock -o ref").expect(0);
    let reference = listed.stdout.trim().to_owned();
    sandbox.set("CLOUDCTL_REGION", "eu-west-1");
    for format in ["json", "jsonl"] {
        let words = ["list", &reference, "-p", "mock", "-o", format];
        let listed = sandbox.run(&words).expect(0);
        assert!(listed.stdout.contains(&reference), "{}", listed.stdout);
    }
}

#[test]
fn terminated_vm_does_not_hide_that_selectors_do_not_overlap() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox.run("create a -p mock -l team=blue -l role=worker").expect(0);
    sandbox.run("create b -p mock -l team=blue").expect(0);
    sandbox.run("create c -p mock -l role=worker").expect(0);
    sandbox.run("terminate a -p mock -y --wait").expect(0);
    let refused = sandbox
        .run("terminate -p mock -l team=blue -l role=worker -y")
        .expect(6);
    refused.expect_in_stderr("1 has team=blue, 1 has role=worker");
}

#[test]
fn flag_that_contradicts_a_full_reference_is_refused() {
    let sandbox = with_four();
    let reference = sandbox
        .run("list web-1 -p mock -r us-east-1 -o ref")
        .expect(0)
        .stdout
        .trim()
        .to_owned();
    for flags in ["-p gcp", "-p mock -r eu-west-1", "-p mock -z eu-west-1a"] {
        for verb in ["describe", "list", "stop", "terminate -y", "label team=blue"] {
            let (verb, rest) = verb.split_once(' ').unwrap_or((verb, ""));
            let refused = sandbox.run(&format!("{verb} {reference} {rest} {flags}")).expect(2);
            refused.expect_in_stderr("a full reference names its own cloud and region");
        }
    }
    for flags in ["-p mock -r us-east-1", "-p mock -r us", "-p mock -z us-east-1a", ""] {
        sandbox.run(&format!("describe {reference} {flags}")).expect(0);
    }
}

#[test]
fn excluding_selectors_of_other_tools_are_refused() {
    let sandbox = with_four();
    for selection in [
        "-l 'env!==dev'",
        "-l \"env!='dev'\"",
        "-l \"env notin ('dev')\"",
        "-l 'env not in (dev)'",
        "-l 'env!=d*'",
        "--filter 'name!==db-1'",
        "--filter \"name!='db-1'\"",
        "--filter 'label.env!=~dev'",
        "--filter 'label.!=x'",
    ] {
        run(&sandbox, &format!("terminate -y {selection}")).expect(2);
    }
    let listed = run(&sandbox, "list --filter name==db-1 -o json");
    assert_eq!(printed_names(&listed), ["db-1"]);
}

/// A VM is shown and counted once, however many patterns mean it.
#[test]
fn terminating_vm_of_two_patterns_counts_once() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox.run("create web-1 -p mock").expect(0);
    sandbox.run("terminate web-1 -p mock -y").expect(0);
    let described = sandbox.run("describe 'web-*' 'web-1*' -p mock -o json").expect(0);
    assert_eq!(printed_names(&described), ["web-1"]);
}

#[test]
fn region_that_does_not_answer_is_named_once_for_two_scopes() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    sandbox.run("create x1 -p mock -r us-east-1").expect(0);
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    let listed = sandbox.run("list x1 mock/eu-west-1/x2 -p mock -o json").expect(7);
    assert_eq!(printed_names(&listed), ["x1"]);
    assert_eq!(
        listed.stderr.matches("warning: mock/eu-west-1").count(),
        1,
        "{}",
        listed.stderr
    );
    let priced = sandbox.run("price 'x*' -p mock -o json").expect(7);
    assert_eq!(printed_names(&priced), ["x1"]);
    sandbox.run("console 'x*' -p mock").expect(7);
}
