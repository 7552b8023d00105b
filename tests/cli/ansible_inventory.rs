//! `list -o ansible`: the document of an inventory script, in which no text of a cloud is a template.

use serde_json::{Value, json};

use crate::support::sandbox::{Run, Sandbox};
use crate::{create, edit};

#[track_caller]
fn document(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error} in {run:#?}"))
}

fn inventory(sandbox: &Sandbox) -> Value {
    document(&sandbox.run("list -p mock -o ansible").expect(0))
}

#[test]
fn inventory_groups_vms_by_cloud_region_and_label() {
    let sandbox = Sandbox::new();
    create(
        &sandbox,
        &["web-1", "-r", "us-east-1", "-l", "team=blue/green", "-l", "env="],
    );
    create(&sandbox, &["db-1", "-r", "eu-west-1"]);
    sandbox.run("stop db-1 -p mock -y --wait").expect(0);
    create(&sandbox, &["db-2", "-r", "eu-west-1"]);
    let found = inventory(&sandbox);
    let groups = [
        "ungrouped",
        "label_env",
        "label_team_blue_green",
        "provider_mock",
        "region_eu_west_1",
        "region_us_east_1",
    ];
    assert_eq!(found["all"], json!({ "children": groups }));
    assert_eq!(found["provider_mock"], json!({ "hosts": ["db-2", "web-1"] }));
    assert_eq!(found["label_team_blue_green"], json!({ "hosts": ["web-1"] }));
    let host = &found["_meta"]["hostvars"]["web-1"];
    assert_eq!(host["ansible_port"], 22);
    assert_eq!(
        host["ansible_host"],
        sandbox.run("describe web-1 -p mock -o json").expect(0).item()["public_ip"]
    );
    let arguments = host["ansible_ssh_common_args"].as_str().expect("a text");
    let id = host["cloudctl_id"].as_str().expect("an id");
    for option in [
        &format!("HostKeyAlias=cloudctl/mock/{id}"),
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=",
    ] {
        assert!(arguments.contains(option), "{arguments}");
    }
    assert_eq!(host["ansible_host_key_checking"], true);
    assert_eq!(host["ansible_control_path"], format!("%(directory)s/{id}-%%r-%%p"));
    let empty = document(&sandbox.run("list -p mock -o ansible -l team=none").expect(0));
    assert_eq!(
        empty,
        json!({ "_meta": { "hostvars": {} }, "all": { "children": ["ungrouped"] } })
    );
}

#[test]
fn inventory_has_no_template_and_no_name_with_a_meaning() {
    let sandbox = Sandbox::new();
    let hostile = [
        "{{ lookup('pipe', 'touch ran') }}",
        "localhost",
        "all",
        "web[1:3]",
        "web-1,web-2",
        "provider_mock",
        "!web",
    ];
    for (number, name) in hostile.iter().enumerate() {
        let own = format!("vm-{number}");
        create(&sandbox, &[&own]);
        edit(&sandbox, &own, |one| {
            one["name"] = (*name).into();
            one["labels"] = json!({ "k": "{{ lookup('pipe', 'touch ran') }}" });
            one["machine_type"] = "{% x %}".into();
        });
    }
    let run = sandbox.run("list -p mock -o ansible").expect(0);
    assert!(
        !run.stdout.contains("{{") && !run.stdout.contains("{%"),
        "{}",
        run.stdout
    );
    let hosts = document(&run)["_meta"]["hostvars"].clone();
    for host in hosts.as_object().expect("hosts").keys() {
        assert!(host.starts_with("m-"), "{host}");
    }
    run.expect_in_stderr("no plain words");
}

#[test]
fn inventory_tells_vms_of_one_name_apart() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-r", "us-east-1"]);
    create(&sandbox, &["web-1", "-r", "eu-west-1"]);
    let run = sandbox.run("list -p mock -o ansible").expect(0);
    let found = document(&run);
    assert_eq!(
        found["provider_mock"],
        json!({ "hosts": ["web-1.eu-west-1", "web-1.us-east-1"] })
    );
    run.expect_in_stderr("2 VMs are called web-1");
}

#[test]
fn inventory_never_looks_whole_if_a_location_did_not_answer() {
    let mut sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-r", "us-east-1"]);
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    let run = sandbox.run("list -p mock -o ansible").expect(7);
    run.expect_in_stderr("the list is incomplete");
    let found = document(&run);
    assert_eq!(
        found["all"]["vars"],
        json!({ "cloudctl_unanswered": ["mock/eu-west-1"] })
    );
    assert_eq!(found["provider_mock"], json!({ "hosts": ["web-1"] }));
}

#[test]
fn inventory_is_refused_where_there_is_none() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    for command in [
        "describe web-1",
        "create web-2",
        "image list",
        "whoami",
        "ssh web-1",
        "terminate web-1 -y",
    ] {
        let run = sandbox.run(&format!("{command} -p mock -o ansible")).expect(2);
        run.expect_in_stderr("only `cloudctl list`");
        assert_eq!(run.stdout, "");
    }
    sandbox.run("list -p mock -o ansible --cost").expect(2);
    sandbox.run("list -p mock -o ansible --watch").expect(2);
    assert_eq!(
        sandbox
            .run("list nobody -p mock -o ansible")
            .expect(3)
            .stderr
            .matches("nobody")
            .count(),
        1
    );
}
