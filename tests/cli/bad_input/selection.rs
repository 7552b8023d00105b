//! VMs that cannot be found, and selections that `terminate` refuses.

use super::{check, with_vms};

#[test]
fn selections() {
    check(
        &with_vms(),
        &[
            (2, "nothing is selected", "terminate -p mock"),
            (2, "nothing is selected", "terminate -p mock -y"),
            (2, "''", "terminate -p mock -y -l ''"),
            (2, "a=b,", "terminate -p mock -y -l a=b,"),
            (2, "''", "terminate -p mock -y ''"),
            (2, "--label", "terminate -p mock -y web-1 -l a=b"),
            (2, "two", "terminate -p mock -y web-1 --expect two"),
            (6, "not 2 as expected", "terminate -p mock -y web-1 --expect 2"),
            (3, "absent", "terminate -p mock -y absent"),
            (3, "absent", "terminate -p mock -y web-1 absent"),
            (3, "web-1", "terminate -p mock -y web-1 -r eu-west-1"),
            (2, "mars-1", "terminate -y mock/mars-1/web-1"),
            (2, "azure", "terminate -y azure/mars-1/web-1"),
            (2, "mock/us-east-1", "terminate -y mock/us-east-1"),
            (2, "1 VM in mock (us-east-1)", "terminate -p mock web-1"),
            (3, "absent", "describe -p mock absent"),
            (3, "absent", "stop -p mock absent"),
            (3, "absent", "start -p mock absent"),
            (3, "absent", "reboot -p mock absent"),
            (3, "absent", "wait -p mock absent"),
            (3, "absent", "console -p mock absent"),
            (3, "twin", "stop -p mock twin"),
            (3, "twin", "console -p mock twin"),
            (2, "<REF>", "describe"),
            (2, "<REF>", "stop -p mock"),
            (2, "flying", "wait -p mock web-1 --for flying"),
            (2, "soon", "wait -p mock web-1 --timeout soon"),
            (2, "mars-1", "list -p mock -r mars-1"),
            (2, "eu-west-1a", "list -p mock -r us-east-1 -z eu-west-1a"),
        ],
    );
}

#[test]
fn more_time_and_protection() {
    check(
        &with_vms(),
        &[
            (2, "--ttl", "extend web-1 -p mock"),
            (2, "<REF>", "extend --ttl 1h -p mock"),
            (2, "\"never\"", "extend web-1 --ttl never -p mock"),
            (2, "\"\"", "extend web-1 --ttl '' -p mock"),
            (2, "\"-1h\"", "extend web-1 --ttl=-1h -p mock"),
            (2, "0s", "extend web-1 --ttl 0s -p mock"),
            (2, "1500ms", "extend web-1 --ttl 1500ms -p mock"),
            (2, "99999999d", "extend web-1 --ttl 99999999d -p mock"),
            (3, "absent", "extend web-1 absent --ttl 1h -p mock"),
            (3, "twin", "extend twin --ttl 1h -p mock"),
            (2, "<REF>", "protect -p mock"),
            (2, "<REF>", "unprotect -p mock"),
            (2, "--ttl", "protect web-1 --ttl 1h -p mock"),
            (3, "absent", "protect web-1 absent -p mock"),
            (3, "twin", "unprotect twin -p mock"),
            (2, "--expired", "terminate web-1 --expired -y -p mock"),
            (2, "mars-1", "terminate --expired -y -p mock -r mars-1"),
            (2, "'a=b,'", "terminate --expired -l a=b, -y -p mock"),
            (6, "not 1 as expected", "terminate --expired -y --expect 1 -p mock"),
        ],
    );
}

#[test]
fn an_ambiguous_reference_lists_each_in_full() {
    let sandbox = with_vms();
    let all = sandbox.run("list -p mock -o json").expect(0).items();
    let twins: Vec<_> = all.iter().filter(|item| item["name"] == "twin").collect();
    assert_eq!(twins.len(), 2);
    for verb in [
        &["terminate", "-y"][..],
        &["describe"],
        &["stop"],
        &["reboot"],
        &["wait"],
    ] {
        let run = sandbox.run(&[verb, &["-p", "mock", "twin"]].concat()).expect(3);
        for twin in &twins {
            let reference = twin["ref"].as_str().expect("a reference");
            assert!(run.stderr.contains(reference), "{verb:?}: {}", run.stderr);
        }
    }
    // Each in full is one VM.
    let reference = twins[0]["ref"].as_str().expect("a reference");
    sandbox.run(&["terminate", "-y", reference]).expect(0);
    sandbox.run("describe -p mock twin").expect(0);
}

#[test]
fn many_need_their_number_where_nobody_can_be_asked() {
    let sandbox = crate::support::sandbox::Sandbox::new();
    let create = "create x -p mock --count 11 -l a=b --wait none -q";
    sandbox.run(create).expect(0);
    check(
        &sandbox,
        &[
            (2, "11 VMs", "terminate -p mock -l a=b"),
            (2, "--expect 11", "terminate -p mock -l a=b -y"),
            (6, "11 VMs", "terminate -p mock -l a=b -y --expect 10"),
        ],
    );
    let run = sandbox.run("terminate -p mock -l a=b -y --expect 11 -o json");
    assert_eq!(run.expect(0).items().len(), 11);
}
