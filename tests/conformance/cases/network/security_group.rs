//! Open ports on EC2: a security group of cloudctl, which is deleted with the last VM that uses it.

use serde_json::Value;

use crate::Case;
use crate::cases::{cases, text};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::client_commands::aws;
use cloud_emulators::ec2::Emulator;

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![&[BackendKind::Ec2Emulator, BackendKind::Moto];
        open_ports_use_one_security_group_of_ours,
    ]);
    // moto deletes groups that instances use.
    all.extend(cases![&[BackendKind::Ec2Emulator];
        security_group_is_deleted_with_the_last_vm,
        open_ports_add_to_the_given_security_groups,
        dry_run_creates_no_security_group,
        security_group_of_others_is_not_used,
        security_group_of_ours_gets_missing_rules,
        security_group_removed_before_launch_is_created_again,
        create_uses_a_new_token_after_its_security_group_was_lost,
        security_group_being_deleted_is_waited_for,
        security_group_is_shared_by_two_vms_at_once,
    ]);
    all
}

fn emulator(backend: &Backend) -> &Emulator {
    backend.ec2()
}

/// All security groups but the default ones, as a client sees them that we did not write.
fn groups(backend: &Backend) -> Vec<Value> {
    let answer = aws(&backend.url(), &["ec2", "describe-security-groups"]);
    let groups = answer["SecurityGroups"].as_array().cloned().unwrap_or_default();
    groups
        .into_iter()
        .filter(|group| group["GroupName"] != "default")
        .collect()
}

fn default_group(backend: &Backend) -> String {
    let answer = aws(
        &backend.url(),
        &[
            "ec2",
            "describe-security-groups",
            "--filters",
            "Name=group-name,Values=default",
        ],
    );
    text(&answer["SecurityGroups"][0], "GroupId").to_owned()
}

/// What a group lets in, as `PORT/CIDR`.
fn rules(group: &Value) -> Vec<String> {
    let mut rules = Vec::new();
    for rule in group["IpPermissions"].as_array().into_iter().flatten() {
        assert_eq!(
            (&rule["IpProtocol"], &rule["FromPort"]),
            (&"tcp".into(), &rule["ToPort"])
        );
        for (list, key) in [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")] {
            for range in rule[list].as_array().into_iter().flatten() {
                rules.push(format!("{}/{}", rule["FromPort"], text(range, key)));
            }
        }
    }
    rules.sort();
    rules
}

const OPEN: [&str; 4] = ["--open", "443/10.0.0.0/8,22/::/0", "--open", "22"];

fn open_ports_use_one_security_group_of_ours(backend: &Backend) {
    backend.run(&[&["create", "web-1"], &OPEN[..]].concat()).expect(0);
    backend.run("create web-2 --open 22,22/::/0,443/10.0.0.0/8").expect(0);
    let made = groups(backend);
    let [group] = made.as_slice() else {
        panic!("one group: {made:?}")
    };
    assert!(text(group, "GroupName").starts_with("cloudctl-open-"), "{group}");
    assert_eq!(
        group["Tags"],
        serde_json::json!([{ "Key": "cloudctl-managed", "Value": "true" }])
    );
    assert_eq!(rules(group), ["22/0.0.0.0/0", "22/::/0", "443/10.0.0.0/8"]);
    let answer = aws(&backend.url(), &["ec2", "describe-instances"]);
    let reservations = answer["Reservations"].as_array().expect("reservations");
    let instances = reservations
        .iter()
        .flat_map(|one| one["Instances"].as_array().expect("instances"));
    for instance in instances {
        let groups = instance["SecurityGroups"].as_array().expect("groups").iter();
        let ids: Vec<_> = groups.map(|one| text(one, "GroupId")).collect();
        assert_eq!(ids, [default_group(backend).as_str(), text(group, "GroupId")]);
    }
}

fn security_group_is_deleted_with_the_last_vm(backend: &Backend) {
    for name in ["web-1", "web-2"] {
        backend.run(&["create", name, "--open", "22"]).expect(0);
    }
    let group = groups(backend).remove(0);
    let first = backend.run("terminate web-1 -y --wait").expect(0);
    first.expect_in_stderr(text(&group, "GroupName"));
    assert_eq!(groups(backend).len(), 1);
    backend.run("terminate web-2 -y --wait").expect(0);
    assert_eq!(groups(backend), [Value::Null; 0]);
}

fn open_ports_add_to_the_given_security_groups(backend: &Backend) {
    let (vpc, subnets) = emulator(backend).add_vpc("us-east-1", "own");
    let own = aws(
        &backend.url(),
        &[
            "ec2",
            "create-security-group",
            "--group-name",
            "own",
            "--description",
            "own",
            "--vpc-id",
            &vpc,
        ],
    );
    let with = format!("create web-1 --subnet {} --firewall own --open 22", subnets[0]);
    backend.run(&with).expect(0);
    let made = &emulator(backend).alive()[0];
    assert_eq!(made.security_groups.len(), 2, "{made:?}");
    assert_eq!(made.security_groups[0], text(&own, "GroupId"));
    let opened: Vec<_> = groups(backend)
        .into_iter()
        .filter(|group| text(group, "GroupName").starts_with("cloudctl-open-"))
        .collect();
    assert_eq!((opened.len(), text(&opened[0], "VpcId")), (1, vpc.as_str()));
    // The same openings elsewhere are another group, and this one stays when that one goes.
    backend.run("create web-2 --open 22").expect(0);
    assert_eq!(groups(backend).len(), 3);
    backend.run("terminate web-2 -y --wait").expect(0);
    assert_eq!(groups(backend).len(), 2);
    backend.run("terminate web-1 -y --wait").expect(0);
    assert_eq!(groups(backend).len(), 1, "the user's own stays");
}

fn dry_run_creates_no_security_group(backend: &Backend) {
    backend.run("create web-1 --open 22 --dry-run").expect(0);
    assert_eq!(groups(backend), [Value::Null; 0]);
    emulator(backend).disable_default_vpc("us-east-1");
    let refused = backend.run("create web-1 --open 22").expect(6);
    refused.expect_in_stderr("create-default-vpc");
    assert_eq!(backend.count("CreateSecurityGroup"), 0);
}

/// The name of the group that opens port 22 in the default VPC, which is not there any more.
fn group_of_22(backend: &Backend) -> String {
    backend.run("create probe --open 22").expect(0);
    let name = text(&groups(backend)[0], "GroupName").to_owned();
    backend.run("terminate probe -y --wait").expect(0);
    assert_eq!(groups(backend), [Value::Null; 0]);
    name
}

fn make_group(backend: &Backend, name: &str, tags: &[&str]) {
    let make = [
        "ec2",
        "create-security-group",
        "--group-name",
        name,
        "--description",
        "by hand",
    ];
    aws(&backend.url(), &[&make[..], tags].concat());
}

fn security_group_of_others_is_not_used(backend: &Backend) {
    let name = group_of_22(backend);
    make_group(backend, &name, &[]);
    let refused = backend.json("create web-1 --open 22").expect(6);
    assert_eq!(refused.error_kinds(), ["already_exists"]);
    assert!(refused.stdout.contains(&name), "{}", refused.stdout);
    assert_eq!(backend.alive(), []);
    assert_eq!(rules(&groups(backend)[0]), [""; 0]);
}

fn security_group_of_ours_gets_missing_rules(backend: &Backend) {
    let name = group_of_22(backend);
    let mark = "ResourceType=security-group,Tags=[{Key=cloudctl-managed,Value=true}]";
    make_group(backend, &name, &["--tag-specifications", mark]);
    backend.run("create web-1 --open 22").expect(0);
    let made = groups(backend);
    assert_eq!((made.len(), rules(&made[0])), (1, vec!["22/0.0.0.0/0".to_owned()]));
}

fn security_group_removed_before_launch_is_created_again(backend: &Backend) {
    emulator(backend).remove_groups_before_launch("cloudctl-open-", 2);
    backend.run("create web-1 --open 22").expect(0);
    let made = groups(backend);
    let alive = emulator(backend).alive();
    assert_eq!((made.len(), alive.len()), (1, 1));
    assert!(alive[0].security_groups.contains(&text(&made[0], "GroupId").to_owned()));
    assert_eq!(backend.count("RunInstances"), 3);
}

fn create_uses_a_new_token_after_its_security_group_was_lost(backend: &Backend) {
    emulator(backend).remove_groups_before_launch("cloudctl-open-", 1);
    emulator(backend).set_refusals_use_up_tokens();
    backend.run("create web-1 --open 22").expect(0);
    let made = groups(backend);
    let alive = emulator(backend).alive();
    assert_eq!((made.len(), alive.len()), (1, 1));
    assert_eq!(alive[0].tags.get("cloudctl-generation").map(String::as_str), Some("1"));
    let again = backend.run("create web-1 --open 22").expect(0);
    again.expect_in_stderr("exists already");
    assert_eq!(emulator(backend).alive().len(), 1);
}

fn security_group_being_deleted_is_waited_for(backend: &Backend) {
    backend.run("create web-1 --open 22").expect(0);
    emulator(backend).set_transition(std::time::Duration::from_secs(2));
    backend.run("terminate web-1 -y").expect(0);
    assert_eq!(groups(backend), [Value::Null; 0]);
}

fn security_group_is_shared_by_two_vms_at_once(backend: &Backend) {
    let start = |name: &str| {
        let mut command = backend.command(&["create", name, "--open", "22,443"]);
        command.stdout(std::process::Stdio::null()).spawn().expect("it starts")
    };
    let mut runs: Vec<_> = ["web-1", "web-2", "web-3"].map(start).into_iter().collect();
    for run in &mut runs {
        assert!(run.wait().expect("it ends").success());
    }
    let made = groups(backend);
    assert_eq!((made.len(), rules(&made[0]).len()), (1, 2));
    let own = text(&made[0], "GroupId").to_owned();
    assert!(
        emulator(backend)
            .alive()
            .iter()
            .all(|one| one.security_groups.contains(&own))
    );
}
