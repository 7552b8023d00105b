//! Groups on EC2: one call creates all members, so a fault of that call is a fault of all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Case;
use crate::cases::{cases, names};
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::ec2::Emulator;
use cloud_emulators::faults::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    // moto knows no client tokens: what rests on them is for the emulator to show.
    Vec::from(cases![&[BackendKind::Ec2Emulator];
        group_members_are_created_once_with_one_token,
        group_members_share_labels_and_have_own_names,
        group_is_not_created_twice_after_a_lost_answer,
        group_without_any_answer_is_unknown_and_adopted_later,
        group_leaves_out_members_that_are_gone,
        group_whose_members_are_all_gone_is_empty,
        group_that_fails_to_launch_gives_the_reason,
        group_name_tags_are_added_by_a_later_create,
        group_name_tags_that_fail_are_no_error,
        group_keeps_a_name_tag_of_the_user,
        group_is_read_back_although_listings_lag,
        group_larger_than_one_call_is_refused,
        group_leaves_out_a_default_key_that_is_missing,
        create_with_another_default_key_adopts,
    ])
}

fn emulator(backend: &Backend) -> &Emulator {
    backend.ec2()
}

fn make(backend: &Backend, change: &Value) -> Value {
    let mut order = json!({ "do": "create_members", "name": "web", "members": "1-3", "region": "us-east-1" });
    for (key, value) in change.as_object().into_iter().flatten() {
        order[key] = value.clone();
    }
    backend.drive(&order)
}

/// The names of the members that were given.
fn given(answer: &Value) -> Vec<&str> {
    let made = answer["made"]
        .as_array()
        .unwrap_or_else(|| panic!("members in {answer}"));
    made.iter().filter_map(|one| one[0].as_str()).collect()
}

fn console_names(backend: &Backend) -> BTreeSet<String> {
    let alive = emulator(backend).alive();
    alive.iter().filter_map(|one| one.name().map(str::to_owned)).collect()
}

const ALL: [&str; 3] = ["web-1", "web-2", "web-3"];

fn group_members_are_created_once_with_one_token(backend: &Backend) {
    let first = make(backend, &json!({}));
    assert_eq!(given(&first), ALL);
    let again = make(backend, &json!({}));
    assert_eq!(again["made"], first["made"]);
    assert_eq!(backend.alive().len(), 3);
    // Other members, and another life, have tokens of their own.
    assert_eq!(given(&make(backend, &json!({ "members": "4_6" }))), ["web-4", "web-6"]);
    let next = make(backend, &json!({ "generation": 1 }));
    assert_eq!(given(&next), ALL);
    assert_ne!(next["made"], first["made"]);
    assert_eq!(backend.alive().len(), 8);
    assert_eq!(backend.count("RunInstances"), 4);
}

fn group_members_share_labels_and_have_own_names(backend: &Backend) {
    let made = backend.json("create web --count 3 -l team=ci").expect(0).items();
    assert_eq!(names(&made), ALL);
    // What the console shows is no label of the user's, before it is put right and after.
    assert!(
        made.iter().all(|item| item["labels"] == json!({ "team": "ci" })),
        "{made:?}"
    );
    for item in backend.json("list").expect(0).items() {
        assert_eq!(item["labels"], json!({ "team": "ci" }));
    }
    let alive = emulator(backend).alive();
    for one in &alive {
        let label = |key: &str| one.tags.get(key).map(String::as_str);
        assert_eq!(
            (label("cloudctl-name"), label("cloudctl-members")),
            (Some("web"), Some("1-3"))
        );
        assert_eq!(one.name(), Some(format!("web-{}", one.launch_index + 1).as_str()));
    }
    let tokens: BTreeSet<_> = alive.iter().map(|one| one.client_token.clone()).collect();
    assert_eq!((tokens.len(), backend.count("RunInstances")), (1, 1));
}

fn group_is_not_created_twice_after_a_lost_answer(backend: &Backend) {
    backend.inject(Fault::on("RunInstances", Effect::ResetAfter).times(1));
    let made = backend.json("create web --count 3").expect(0).items();
    assert_eq!(names(&made), ALL);
    assert_eq!(backend.alive().len(), 3);
}

fn group_without_any_answer_is_unknown_and_adopted_later(backend: &Backend) {
    backend.inject(
        Fault::on(
            "RunInstances",
            Effect::ErrorAfter {
                status: 500,
                code: "InternalError".to_owned(),
            },
        )
        .times(1),
    );
    backend.inject(Fault::on(
        "RunInstances",
        Effect::ErrorBefore {
            status: 403,
            code: "UnauthorizedOperation".to_owned(),
        },
    ));
    // A server's own word that it failed says nothing of whether it had an effect, but a look does.
    assert_eq!(given(&make(backend, &json!({}))), ALL);
    backend.clear_faults();
    backend.inject(Fault::on("RunInstances", Effect::ResetAfter).times(1));
    backend.inject(Fault::on(
        "RunInstances",
        Effect::ErrorBefore {
            status: 403,
            code: "UnauthorizedOperation".to_owned(),
        },
    ));
    emulator(backend).set_lag(Duration::from_secs(60));
    let unknown = make(backend, &json!({ "members": "4-6" }));
    assert_eq!(unknown["kind"], "unknown_outcome", "{unknown}");
    backend.clear_faults();
    emulator(backend).set_lag(Duration::ZERO);
    let found = make(backend, &json!({ "members": "4-6" }));
    assert_eq!(given(&found), ["web-4", "web-5", "web-6"]);
    assert_eq!(backend.alive().len(), 6);
}

fn group_leaves_out_members_that_are_gone(backend: &Backend) {
    make(backend, &json!({}));
    let second = emulator(backend)
        .alive()
        .into_iter()
        .find(|one| one.launch_index == 1)
        .expect("it is there");
    emulator(backend).terminate_from_outside(&second.id);
    emulator(backend).finish_transitions();
    assert_eq!(given(&make(backend, &json!({}))), ["web-1", "web-3"]);
    assert_eq!(backend.alive().len(), 2);
}

fn group_whose_members_are_all_gone_is_empty(backend: &Backend) {
    make(backend, &json!({}));
    for one in emulator(backend).alive() {
        emulator(backend).terminate_from_outside(&one.id);
    }
    emulator(backend).finish_transitions();
    assert_eq!(given(&make(backend, &json!({}))), [""; 0]);
    emulator(backend).set_return_terminated_for_old_token(true);
    assert_eq!(given(&make(backend, &json!({}))), [""; 0]);
    assert_eq!(backend.alive(), []);
}

fn group_that_fails_to_launch_gives_the_reason(backend: &Backend) {
    emulator(backend).set_transition(Duration::ZERO);
    emulator(backend).fail_launches("Client.VolumeLimitExceeded", "too many", 3);
    let failed = make(backend, &json!({}));
    assert_eq!(failed["kind"], "quota", "{failed}");
    emulator(backend).exhaust_zone("us-east-1a");
    let full = make(backend, &json!({ "zone": "us-east-1a", "generation": 1 }));
    assert_eq!(full["kind"], "capacity", "{full}");
    // All of them or none.
    emulator(backend).set_capacity("us-east-1b", 2);
    let full = make(backend, &json!({ "zone": "us-east-1b", "generation": 1 }));
    assert_eq!(full["kind"], "capacity", "{full}");
    assert_eq!(backend.alive(), []);
}

fn group_name_tags_are_added_by_a_later_create(backend: &Backend) {
    emulator(backend).remove_account_permission("CreateTags");
    assert_eq!(given(&make(backend, &json!({}))), ALL);
    assert_eq!(console_names(backend), BTreeSet::from(["web".to_owned()]));
    let listed = backend.json("list").expect(0).items();
    assert_eq!(names(&listed), ALL);
    let described = backend.json("describe web-2").expect(0).item();
    assert_eq!(described["name"], "web-2");
    // Allowed again.
    emulator(backend).give_account_permission("CreateTags");
    assert_eq!(given(&make(backend, &json!({ "members": "4" }))), ["web-4"]);
    let all = ["web-1", "web-2", "web-3", "web-4"].map(str::to_owned);
    assert_eq!(console_names(backend), BTreeSet::from(all));
}

fn group_name_tags_that_fail_are_no_error(backend: &Backend) {
    backend.inject(Fault::on(
        "CreateTags",
        Effect::ErrorBefore {
            status: 403,
            code: "UnauthorizedOperation".to_owned(),
        },
    ));
    let made = backend.json("create web --count 3").expect(0).items();
    assert_eq!(names(&made), ALL);
    backend.run("terminate web-3 -y --wait").expect(0);
    assert_eq!(names(&backend.json("list").expect(0).items()), ["web-1", "web-2"]);
}

fn group_keeps_a_name_tag_of_the_user(backend: &Backend) {
    backend.run("create web --count 2 -l Name=front").expect(0);
    assert_eq!(console_names(backend), BTreeSet::from(["front".to_owned()]));
    assert_eq!(backend.count("CreateTags"), 0);
}

fn group_is_read_back_although_listings_lag(backend: &Backend) {
    emulator(backend).set_lag(Duration::from_millis(1_500));
    emulator(backend).set_tag_lag(Duration::from_millis(2_500));
    let made = make(backend, &json!({}));
    assert_eq!(given(&made), ALL);
    let managed = made["made"]
        .as_array()
        .expect("members")
        .iter()
        .all(|one| one[2] == true);
    assert!(managed, "{made}");
    emulator(backend).set_lag(Duration::from_secs(60));
    assert_eq!(given(&make(backend, &json!({ "members": "4-5" }))), ["web-4", "web-5"]);
}

fn group_larger_than_one_call_is_refused(backend: &Backend) {
    let refused = make(backend, &json!({ "members": "1-101" }));
    assert_eq!(refused["kind"], "invalid_spec", "{refused}");
    assert_eq!(backend.count("RunInstances"), 0);
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.com";
const OTHER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bob@example.com";

fn group_leaves_out_a_default_key_that_is_missing(backend: &Backend) {
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY me@here";
    let made = make(backend, &json!({ "members": "1", "default_ssh_key": ecdsa }));
    assert_eq!(given(&made), ["web-1"]);
    let warning = made["warnings"].as_str().unwrap_or_default();
    assert!(warning.contains("ssh-rsa and ssh-ed25519 only"), "{made}");
    emulator(backend).remove_account_permission("ImportKeyPair");
    let made = make(backend, &json!({ "members": "2", "default_ssh_key": KEY }));
    assert_eq!(given(&made), ["web-2"]);
    assert!(
        made["warnings"].as_str().unwrap_or_default().contains("public key"),
        "{made}"
    );
    assert!(emulator(backend).alive().iter().all(|one| one.key_name.is_none()));
    emulator(backend).give_account_permission("ImportKeyPair");
    let made = make(backend, &json!({ "members": "3", "default_ssh_key": KEY }));
    assert_eq!((given(&made), &made["warnings"]), (vec!["web-3"], &json!("")));
    assert_eq!(
        emulator(backend)
            .alive()
            .iter()
            .filter(|one| one.key_name.is_some())
            .count(),
        1
    );
}

fn create_with_another_default_key_adopts(backend: &Backend) {
    let first = make(backend, &json!({ "default_ssh_key": KEY }));
    let other = make(backend, &json!({ "default_ssh_key": OTHER_KEY }));
    assert_eq!(given(&other), ALL);
    assert_eq!(other["made"], first["made"]);
    assert_eq!(backend.alive().len(), 3);
}
