//! Images and their login users, SSH keys, and waiting until a VM answers by SSH.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use crate::{create, mock_file};
use cloud_emulators::ec2;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.com";
const RSA_KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDLN3Nuqf8YYwK9TTvKFD2n105W3GVu+5aHnoQHMRW4wist0j3FXpq3Z+f9yLa519iNS313AAURXXHKg6grhY/2mw/qYVLGssVtudvLNMgOijGnD9a2OXDaoHQQIOY5pQh43V4PTPqJss9hSOR91NAkuauFzwM+uvjBAIx6Ki8yHLE4GZduYCrgs2P1NMdjnHOqIE/VN6o/MFSCUyG5jrjKxovWmiHoqGgY1VLJkW0oH7uEThLYNZeMjmWL765AyTgPiC7hZg3jIkyXTbNvSInT/aHhiLhEdtPGtDCwvW2wmRkL6q32kCDfbI2e8qrEFkNQdzy1+MljtqMXP2SZVjhX";

#[test]
fn image_list_shows_the_login_user() {
    let sandbox = Sandbox::new();
    let all = sandbox.run("image list -p mock -o json").expect(0).items();
    let of = |alias: &str| -> Vec<&Value> { all.iter().filter(|image| image["alias"] == alias).collect() };
    for (alias, user) in [
        ("ubuntu-24.04", "ubuntu"),
        ("debian-12", "admin"),
        ("amazon-linux-2023", "ec2-user"),
        ("rocky-9", "rocky"),
        ("windows-2025", "Administrator"),
    ] {
        let images = of(alias);
        assert!(!images.is_empty(), "{alias}");
        assert!(images.iter().all(|image| image["login_user"] == user), "{images:?}");
    }
    let arm = sandbox.run("image list -p mock --arch arm64 -o json").expect(0).items();
    assert!(!arm.is_empty() && arm.len() < all.len());
    assert!(arm.iter().all(|image| image["architecture"] == "arm64"));
    let aliases = sandbox.run("image list -p mock -o name").expect(0).stdout;
    assert!(aliases.lines().any(|alias| alias == "cos"), "{aliases}");
}

#[test]
fn regions_are_listed_with_their_areas() {
    let sandbox = Sandbox::new();
    let regions = sandbox.run("region list -p mock -o json").expect(0).items();
    let area = |name: &str| {
        regions
            .iter()
            .find(|region| region["name"] == name)
            .map(|region| region["area"].clone())
    };
    assert_eq!(
        (area("us-east-1"), area("eu-west-1")),
        (Some("us".into()), Some("europe".into()))
    );
}

#[test]
fn image_list_shows_a_gap_for_a_silent_cloud() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    let run = "image list -p mock -r us-east-1 -r eu-west-1 -o json";
    let run = sandbox.run(run).expect(7);
    assert!(!run.items().is_empty());
    assert_eq!(run.error_kinds(), ["network"]);
    run.expect_in_stderr("mock/eu-west-1");
    let nothing = sandbox.run("image list -p mock -r eu-west-1").expect(9);
    assert_eq!(nothing.stdout, "");
    sandbox.unset("CLOUDCTL_MOCK");
    sandbox.run("image list -p mock -r mars").expect(2);
}

#[test]
fn ssh_key_of_the_user_is_the_default() {
    let sandbox = Sandbox::new();
    let key_of = |name: &str, arguments: &[&str]| {
        let item = create(&sandbox, &[&[name], arguments].concat());
        item["native"]["ssh_key"].clone()
    };
    assert_eq!(key_of("a", &[]), Value::Null);
    sandbox.write("home/.ssh/id_ecdsa.pub", "not a key\n");
    assert_eq!(key_of("b", &[]), Value::Null);
    sandbox.write("home/.ssh/id_ed25519.pub", KEY);
    assert_eq!(key_of("c", &[]), KEY);
    assert_eq!(key_of("d", &["--ssh-key", "none"]), Value::Null);
    assert_eq!(key_of("e", &["--ssh-key", "mine"]), "mine");
    sandbox.write("spec.toml", "ssh-key = \"none\"\n");
    assert_eq!(key_of("f", &["-f", "spec.toml"]), Value::Null);
    // It hangs on the machine, and not on what was asked for.
    std::fs::remove_file(sandbox.home().join(".ssh/id_ed25519.pub")).expect("the key");
    let again = sandbox.run("create c -p mock --native boot_seconds=0").expect(0);
    again.expect_in_stderr("c exists already");
    again.expect_in_stderr("this SSH key is not used");
}

#[test]
fn mock_vm_answers_by_ssh_once_it_runs() {
    let sandbox = Sandbox::new();
    let made = sandbox.run("create a -p mock --wait ssh -o json").expect(0).item();
    assert_eq!(made["state"], "running");
    sandbox.run("wait a -p mock --for ssh --timeout 5s").expect(0);
    sandbox.run("stop a -p mock").expect(0);
    let late = sandbox.run("wait a -p mock --for ssh --timeout 1s -o json").expect(8);
    assert_eq!(late.error_kinds(), ["timeout"]);
    let before = mock_file(&sandbox);
    sandbox.run("wait a -p mock --for ssh --ssh-port 0").expect(2);
    assert_eq!(mock_file(&sandbox), before);
}

/// A server at this port of this machine that says this to whoever calls.
fn server(words: &'static [u8], pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a caller");
            std::thread::spawn(move || {
                std::thread::sleep(pause);
                let _ = stream.write_all(words);
                std::thread::sleep(Duration::from_secs(30));
            });
        }
    });
    port
}

/// An EC2 whose VMs are reached at this machine.
fn at_this_machine() -> (ec2::Emulator, Sandbox) {
    let emulator = ec2::Emulator::start();
    emulator.set_public_address("127.0.0.1");
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    (emulator, sandbox)
}

#[test]
fn wait_for_ssh_waits_for_the_greeting() {
    let (_emulator, sandbox) = at_this_machine();
    let port = server(b"a word before\r\nSSH-2.0-\x1b[31mevil\r\n", Duration::from_millis(700)).to_string();
    let create = format!("create a -p aws --wait ssh --ssh-port {port} --timeout 30s");
    let run = sandbox.run(&create).expect(0);
    assert!(
        !run.stderr.contains("evil") && run.stdout.contains("running"),
        "{run:?}"
    );
    let wait = format!("wait a -p aws --for ssh --ssh-port {port} --timeout 10s");
    sandbox.run(&wait).expect(0);
}

#[test]
fn wait_for_ssh_says_why_a_vm_does_not_answer() {
    let (_emulator, sandbox) = at_this_machine();
    sandbox.run("create a -p aws -q").expect(0);
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed_port = closed.local_addr().expect("its address").port();
    drop(closed);
    let mute = server(b"", Duration::ZERO);
    let web = server(b"HTTP/1.1 400 Bad Request\r\n\r\n\r\n\r\n\x1b[31mevil", Duration::ZERO);
    for (port, reason, hint) in [
        (closed_port, "the connection was refused", "wait longer"),
        (mute, "it accepted the connection and sent nothing", "wait longer"),
    ] {
        let begun = Instant::now();
        let port = port.to_string();
        let wait = format!("wait a -p aws --for ssh --timeout 2s --ssh-port {port}");
        let run = sandbox.run(&wait).expect(8);
        run.expect_in_stderr(reason).expect_in_stderr(hint);
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
    let port = web.to_string();
    let wait = format!("wait a -p aws --for ssh --timeout 2s --ssh-port {port}");
    let run = sandbox.run(&wait).expect(8);
    run.expect_not_in_stderr("evil");
    let create = format!("create a -p aws --wait ssh --timeout 1s --ssh-port {port} -o json");
    let run = sandbox.run(&create).expect(8);
    assert_eq!((run.error_kinds(), run.items().len()), (vec!["timeout".to_owned()], 1));
}

#[test]
fn windows_create_says_how_to_get_the_password() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    let key = ["--ssh-key", RSA_KEY, "-o", "json"];
    let run = sandbox
        .run(&[&["create", "w", "-p", "aws", "--image", "windows-2022"], &key[..]].concat())
        .expect(0);
    let id = run.item()["id"].as_str().unwrap_or_default().to_owned();
    let command = format!("aws ec2 get-password-data --region us-east-1 --instance-id {id}");
    run.expect_in_stderr(&command);
}

#[test]
fn image_alias_unknown_to_a_cloud_lists_known_ones() {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    let run = sandbox.run("create a -p aws --image cos").expect(2);
    for word in ["cos", "ubuntu-24.04", "debian-12"] {
        run.expect_in_stderr(word);
    }
    assert!(emulator.alive().is_empty());
}
