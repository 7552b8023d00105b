//! `create` creates one VM of a name, with every field of the spec.

use crate::Case;
use crate::cases::{cases, names, text};
use crate::support::backends::{Backend, BackendKind};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::from(cases![BackendKind::ALL;
        create_with_defaults_gives_a_running_vm,
        create_sets_management_labels_in_the_create_call,
        create_twice_creates_one,
        create_refuses_another_spec_and_names_the_difference,
        create_without_name_creates_a_new_vm_each_time,
        create_count_names_members_and_rerun_fills_the_gap,
        create_uses_the_given_zone,
        create_after_terminate_creates_a_new_vm,
        dry_run_creates_nothing,
        wait_none_returns_at_once,
        spec_file_is_read_and_flags_override_it,
    ]);
    all.extend(cases![BackendKind::EMULATORS; spot_vm_is_deleted_when_preempted]);
    all.extend(cases![&[BackendKind::Ec2Emulator]; create_sends_every_field_of_the_spec_to_ec2]);
    all.extend(cases![&[BackendKind::GceEmulator]; create_sends_every_field_of_the_spec_to_compute_engine]);
    all
}

fn create_with_defaults_gives_a_running_vm(backend: &Backend) {
    let made = backend.json("create web-1").expect(0).item();
    assert_eq!(text(&made, "name"), "web-1");
    assert_eq!(text(&made, "state"), "running");
    assert_eq!(text(&made, "region"), backend.home_region());
    assert_eq!(made["managed"], true);
    assert!(
        !made["public_ip"].is_null() && !made["private_ip"].is_null() && !made["created_at"].is_null(),
        "{made}"
    );
    let alive = backend.alive();
    assert_eq!(alive.len(), 1);
    assert_eq!((alive[0].name.as_str(), alive[0].state.as_str()), ("web-1", "running"));
    assert_eq!(alive[0].id, text(&made, "id"));
}

fn create_sets_management_labels_in_the_create_call(backend: &Backend) {
    backend.run("create web-1 -l env=ci -l team=web --wait none").expect(0);
    let labels = &backend.alive()[0].labels;
    for (key, value) in [
        ("cloudctl-managed", "true"),
        ("cloudctl-name", "web-1"),
        ("env", "ci"),
        ("team", "web"),
    ] {
        assert_eq!(labels.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(labels.contains_key("cloudctl-spec"));
    let described = backend.json("describe web-1").expect(0).item();
    assert_eq!(described["labels"], serde_json::json!({"env": "ci", "team": "web"}));
}

fn create_twice_creates_one(backend: &Backend) {
    let first = backend.json("create web-1 -l env=ci").expect(0).item();
    let second = backend.json("create web-1 -l env=ci").expect(0);
    assert_eq!(second.item()["id"], first["id"]);
    second.expect_in_stderr("exists already");
    assert_eq!(backend.alive().len(), 1);
}

fn create_refuses_another_spec_and_names_the_difference(backend: &Backend) {
    backend.run("create web-1").expect(0);
    let other = backend
        .run(&["create", "web-1", "--type", backend.other_type(), "-l", "env=ci"])
        .expect(6);
    for word in ["web-1", "type", backend.other_type(), "label"] {
        other.expect_in_stderr(word);
    }
    assert_eq!(backend.alive().len(), 1);
}

fn create_without_name_creates_a_new_vm_each_time(backend: &Backend) {
    let first = backend.json("create").expect(0).item();
    let second = backend.json("create").expect(0).item();
    assert_ne!(first["name"], second["name"]);
    assert_eq!(backend.alive().len(), 2);
}

fn create_count_names_members_and_rerun_fills_the_gap(backend: &Backend) {
    let made = backend.json("create web --count 3").expect(0).items();
    assert_eq!(names(&made), ["web-1", "web-2", "web-3"]);
    backend.run("terminate web-2 -y --wait").expect(0);
    let again = backend.json("create web --count 3").expect(0).items();
    assert_eq!(names(&again), ["web-1", "web-2", "web-3"]);
    assert_eq!(backend.alive().len(), 3);
}

fn create_uses_the_given_zone(backend: &Backend) {
    let made = backend
        .json(&["create", "web-1", "-z", backend.home_zone()])
        .expect(0)
        .item();
    assert_eq!(text(&made, "zone"), backend.home_zone());
}

fn create_after_terminate_creates_a_new_vm(backend: &Backend) {
    let first = backend.json("create web-1").expect(0).item();
    backend.run("terminate web-1 -y --wait").expect(0);
    let second = backend.json("create web-1").expect(0).item();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(text(&second, "state"), "running");
    assert_eq!(backend.alive().len(), 1);
}

fn dry_run_creates_nothing(backend: &Backend) {
    let plan = backend.json("create web-1 --dry-run").expect(0).item();
    assert_eq!(text(&plan, "name"), "web-1");
    assert!(!plan["machine_type"].is_null() && !plan["image"].is_null(), "{plan}");
    assert_eq!(backend.instances(), []);
}

fn wait_none_returns_at_once(backend: &Backend) {
    let made = backend.json("create web-1 --wait none").expect(0).item();
    assert!(["pending", "running"].contains(&text(&made, "state")), "{made}");
    backend.run("wait web-1 --for running").expect(0);
}

fn spec_file_is_read_and_flags_override_it(backend: &Backend) {
    let spec = format!(
        "name = \"web-1\"\ntype = {:?}\n\n[label]\nenv = \"ci\"\n",
        backend.other_type()
    );
    let path = backend.sandbox.write("spec.toml", &spec);
    let made = backend.json(&["create", "-f", &path, "-l", "env=dev"]).expect(0).item();
    assert_eq!(text(&made, "machine_type"), backend.other_type());
    assert_eq!(made["labels"]["env"], "dev");
    let twice = backend.run(&["create", "web-2", "-f", &path]).expect(2);
    twice.expect_in_stderr("web-1").expect_in_stderr("web-2");
}

const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.com";

/// Creates `web-1` with a value in every field of the spec.
fn create_with_every_field(backend: &Backend) {
    let key = backend.sandbox.write("key.pub", PUBLIC_KEY);
    let data = backend.sandbox.write("user-data", "#cloud-config\npackages: [jq]\n");
    let arguments = [
        "create",
        "web-1",
        "--type",
        backend.other_type(),
        "--image",
        "ubuntu-22.04",
        "--disk",
        "50",
        "--ssh-key",
        &key,
        "--user-data",
        &data,
        "--no-public-ip",
        "--protect",
        "--wait",
        "none",
    ];
    backend.run(&arguments).expect(0);
}

fn create_sends_every_field_of_the_spec_to_ec2(backend: &Backend) {
    create_with_every_field(backend);
    let made = &backend.ec2().alive()[0];
    assert_eq!(made.instance_type, backend.other_type());
    assert!(
        made.image_name.contains("ubuntu-jammy-22.04-amd64"),
        "{}",
        made.image_name
    );
    assert_eq!(
        made.user_data.as_deref(),
        Some(b"#cloud-config\npackages: [jq]\n".as_slice())
    );
    assert!(
        made.key_name.is_some() && made.protected && made.public_ip.is_none(),
        "{made:?}"
    );
    assert_eq!(made.http_tokens, "required");
    let [disk] = made.volumes.as_slice() else {
        panic!("one disk: {:?}", made.volumes)
    };
    assert_eq!(
        (disk.size_gib, disk.encrypted, disk.delete_on_termination),
        (50, true, Some(true))
    );
    assert_eq!(disk.volume_type, "gp3");
    assert_eq!(disk.tags.get("cloudctl-name").map(String::as_str), Some("web-1"));
}

fn create_sends_every_field_of_the_spec_to_compute_engine(backend: &Backend) {
    create_with_every_field(backend);
    let made = backend.gce().instance("web-1").expect("the VM");
    assert_eq!(made.machine_type, backend.other_type());
    assert!(
        made.metadata.values().any(|value| value.contains("packages: [jq]")),
        "{:?}",
        made.metadata
    );
    assert!(
        made.metadata
            .get("ssh-keys")
            .is_some_and(|keys| keys.contains("AAAAC3NzaC1lZDI1NTE5"))
    );
    assert!(!made.wants_external_ip && made.deletion_protection);
    let [disk] = made.disks.as_slice() else {
        panic!("one disk: {:?}", made.disks)
    };
    assert_eq!((disk.size_gb, disk.auto_delete, disk.boot), (50, true, true));
    let own = disk.disk.as_ref().expect("the disk itself");
    assert_eq!(own.kind, "pd-balanced");
    assert_eq!(own.labels.get("cloudctl-name").map(String::as_str), Some("web-1"));
    assert!(
        own.source_image
            .as_deref()
            .is_some_and(|image| image.contains("ubuntu-2204")),
        "{own:?}"
    );
}

fn spot_vm_is_deleted_when_preempted(backend: &Backend) {
    let made = backend.json("create web-1 --spot").expect(0).item();
    assert_eq!(made["spot"], true);
    assert!(backend.alive()[0].spot, "{:?}", backend.alive());
}
