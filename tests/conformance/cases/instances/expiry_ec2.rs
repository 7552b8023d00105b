//! TTLs on EC2: only the instance itself can enforce one, so the launch call carries all that it needs.

use crate::Case;
use crate::cases::cases;
use crate::support::backends::{Backend, BackendKind};
use cloud_emulators::ec2::{Emulator, InstanceView};
use cloud_emulators::faults::{Effect, Fault};

pub fn cases() -> Vec<Case> {
    Vec::from(cases![&[BackendKind::Ec2Emulator];
        ttl_is_part_of_the_launch_call,
        ttl_timer_keeps_the_users_user_data,
        ttl_launch_is_identical_when_replayed,
        ttl_works_with_labels_that_an_instance_cannot_see,
        ttl_on_windows_is_a_tag_alone,
        vm_without_ttl_prints_nothing_about_expiry,
        ttl_too_short_or_without_room_in_user_data_is_refused,
    ])
}

fn emulator(backend: &Backend) -> &Emulator {
    backend.ec2()
}

#[track_caller]
fn only(backend: &Backend) -> InstanceView {
    let mut alive = emulator(backend).alive();
    assert_eq!(alive.len(), 1);
    alive.remove(0)
}

fn user_data(instance: &InstanceView) -> String {
    String::from_utf8(instance.user_data.clone().unwrap_or_default()).expect("text")
}

fn ttl_is_part_of_the_launch_call(backend: &Backend) {
    backend.run("create web-1 --ttl 2h").expect(0);
    let made = only(backend);
    assert_eq!(made.tags.get("cloudctl-ttl").map(String::as_str), Some("2h"));
    assert!(
        made.volumes
            .iter()
            .all(|volume| volume.tags.contains_key("cloudctl-ttl"))
    );
    assert_eq!((made.shutdown_behaviour.as_str(), made.sees_tags), ("terminate", true));
    let data = user_data(&made);
    assert!(
        data.contains("Content-Type: text/cloud-boothook\n\n#cloud-boothook\n#!/bin/sh\n"),
        "{data}"
    );
    assert!(data.contains("\nseconds 2h\n"), "{data}");
    for call in ["CreateTags", "ModifyInstanceAttribute", "ModifyInstanceMetadataOptions"] {
        assert_eq!(
            backend.count(call),
            0,
            "{call}: whoever dies between two calls leaves no instance without an end"
        );
    }
    // What the timer does when the time has come.
    emulator(backend).shut_down_from_inside(&made.id);
    emulator(backend).finish_transitions();
    assert_eq!(emulator(backend).alive().len(), 0);
    assert_eq!(emulator(backend).volumes().len(), 0);
}

fn ttl_timer_keeps_the_users_user_data(backend: &Backend) {
    let script = "#!/bin/sh\necho 'mine alone' >/root/hello\n";
    let path = backend.sandbox.write("start.sh", script);
    let with = ["create", "web-1", "--ttl", "90m", "--user-data", &path];
    backend.run(&with).expect(0);
    let data = user_data(&only(backend));
    assert!(data.contains("\nseconds 1h30m\n"), "{data}");
    assert!(data.contains(&format!("\n\n{script}\n--cloudctl-")), "{data}");
    let again = backend.run(&with).expect(0);
    again.expect_in_stderr("exists already");
    let other = backend
        .run(&["create", "web-1", "--ttl", "2h", "--user-data", &path])
        .expect(6);
    other.expect_in_stderr("ttl");
    assert_eq!(emulator(backend).alive().len(), 1);
}

fn ttl_launch_is_identical_when_replayed(backend: &Backend) {
    // Under a token EC2 compares all parameters, the user data too.
    let path = backend
        .sandbox
        .write("start.sh", "#cloud-config\nfqdn: naïve.example\n");
    backend.inject(Fault::on("RunInstances", Effect::ResetAfter).times(1));
    backend
        .run(&["create", "web-1", "--ttl", "2h", "--user-data", &path])
        .expect(0);
    assert_eq!(emulator(backend).alive().len(), 1);
    let sent: Vec<_> = backend
        .calls()
        .into_iter()
        .filter(|call| call.operation.name == "RunInstances")
        .map(|call| call.request.body)
        .collect();
    assert!(sent.len() == 2 && sent[0] == sent[1], "{} calls", sent.len());
}

fn ttl_works_with_labels_that_an_instance_cannot_see(backend: &Backend) {
    emulator(backend).set_metadata_tags_by_default(true);
    backend
        .run("create web-1 --ttl 2h -l kubernetes.io/cluster=ci")
        .expect(0);
    let made = only(backend);
    assert_eq!((made.shutdown_behaviour.as_str(), made.sees_tags), ("terminate", false));
    assert!(user_data(&made).contains("\nseconds 2h\n"));
}

fn ttl_on_windows_is_a_tag_alone(backend: &Backend) {
    let images = outside_windows(backend);
    let path = backend
        .sandbox
        .write("start.ps1", "<powershell>\nWrite-Host hello\n</powershell>\n");
    let with = format!("create web-1 --ttl 2h --image {images} --user-data {path}");
    backend.run(&with).expect(0);
    let made = only(backend);
    assert_eq!(made.tags.get("cloudctl-ttl").map(String::as_str), Some("2h"));
    assert_eq!(user_data(&made), "<powershell>\nWrite-Host hello\n</powershell>\n");
    assert_eq!((made.shutdown_behaviour.as_str(), made.sees_tags), ("stop", false));
}

/// The id of an image of Windows.
fn outside_windows(backend: &Backend) -> String {
    let answer = cloud_emulators::client_commands::aws(
        &emulator(backend).url(),
        &["ec2", "describe-images", "--filters", "Name=platform,Values=windows"],
    );
    answer["Images"][0]["ImageId"].as_str().expect("an image").to_owned()
}

fn vm_without_ttl_prints_nothing_about_expiry(backend: &Backend) {
    let script = "#!/bin/sh\necho hello\n";
    let path = backend.sandbox.write("start.sh", script);
    backend.run(&["create", "web-1", "--user-data", &path]).expect(0);
    let made = only(backend);
    assert_eq!(user_data(&made), script);
    assert_eq!((made.shutdown_behaviour.as_str(), made.sees_tags), ("stop", false));
    assert!(!made.tags.contains_key("cloudctl-ttl"));
    let launch = backend.calls();
    let launch = launch
        .iter()
        .find(|call| call.operation.name == "RunInstances")
        .expect("the launch");
    let body = String::from_utf8_lossy(&launch.request.body);
    for parameter in ["InstanceMetadataTags", "InstanceInitiatedShutdownBehavior"] {
        assert!(!body.contains(parameter), "{parameter}");
    }
}

fn ttl_too_short_or_without_room_in_user_data_is_refused(backend: &Backend) {
    let short = backend.run("create web-1 --ttl 59s").expect(2);
    short.expect_in_stderr("--ttl 1m");
    let full = format!("#!/bin/sh\n{}", "#".repeat(16_374));
    let path = backend.sandbox.write("start.sh", &full);
    let long = backend
        .run(&["create", "web-1", "--ttl", "2h", "--user-data", &path])
        .expect(2);
    long.expect_in_stderr("the timer for --ttl takes");
    assert_eq!(backend.count("RunInstances"), 0);
    backend.run(&["create", "web-1", "--user-data", &path]).expect(0);
}
