//! User data and SSH keys that the image does not use.

use std::io::Write;

use crate::support::backends::{Backend, BackendKind};
use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::{ec2, gce};

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn aws() -> (Sandbox, ec2::Emulator) {
    let emulator = ec2::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&emulator.url());
    (sandbox, emulator)
}

fn gcp() -> (Sandbox, gce::Emulator) {
    let emulator = gce::Emulator::start();
    let mut sandbox = Sandbox::new();
    sandbox.point_at_gcp(&emulator.url(), "acme-dev");
    (sandbox, emulator)
}

fn write(sandbox: &Sandbox, name: &str, data: &[u8]) -> String {
    let path = sandbox.folder().join(name);
    std::fs::write(&path, data).unwrap();
    path.to_string_lossy().into_owned()
}

fn create(sandbox: &Sandbox, cloud: &str, image: &str, data: &[u8], more: &[&str]) -> Run {
    let path = write(sandbox, "data", data);
    let arguments = ["create", "web-1", "-p", cloud, "--image", image, "--user-data", &path];
    sandbox.run(&[&arguments[..], more].concat())
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

/// User data that cloud-init ignores, and what the warning says.
fn ignored() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (b"apt-get install -y nginx\n".to_vec(), "no #!"),
        ("\u{feff}#!/bin/sh\necho\n".as_bytes().to_vec(), "byte order mark"),
        ("\u{feff}#cloud-config\n".as_bytes().to_vec(), "byte order mark"),
        (b"\xff\xfe#\0!\0".to_vec(), "UTF-16"),
        (b"\n\n#!/bin/sh\necho\n".to_vec(), "white space"),
        (b"  #cloud-config\n".to_vec(), "white space"),
        (b"#!/bin/sh\r\necho\r\n".to_vec(), "carriage return"),
        (
            b"# cloud-config\npackages: [jq]\n".to_vec(),
            "#cloud-config, without a space",
        ),
        (b"cloud-config\n".to_vec(), "did you mean #cloud-config"),
        (b"IyEvYmluL3NoCg==".to_vec(), "base64"),
        (b"<powershell>dir</powershell>".to_vec(), "Windows"),
        (b"".to_vec(), "empty"),
        (b" \n".to_vec(), "empty"),
        (gzip(b"echo hi\n"), "after unpacking"),
        (b"\x1f\x8bnot packed".to_vec(), "cannot be unpacked"),
    ]
}

#[test]
fn user_data_that_cloud_init_ignores_gets_a_warning() {
    let (aws, emulator) = aws();
    let mock = Sandbox::new();
    for (data, word) in ignored() {
        for (sandbox, cloud) in [(&aws, "aws"), (&mock, "mock")] {
            let run = create(sandbox, cloud, "ubuntu-24.04", &data, &["--dry-run"]).expect(0);
            let warnings: Vec<_> = run
                .stderr
                .lines()
                .filter(|line| line.starts_with("warning: "))
                .collect();
            assert!(
                warnings.len() == 1 && warnings[0].contains(word),
                "{word}: {}",
                run.stderr
            );
        }
    }
    let run = create(&aws, "aws", "debian-12", b"apt-get install -y nginx\n", &[]).expect(0);
    assert_eq!(run.stderr.matches("nothing runs it").count(), 1, "{}", run.stderr);
    assert_eq!(emulator.alive().len(), 1);
}

#[test]
fn user_data_that_cloud_init_runs_gets_none() {
    let (aws, _emulator) = aws();
    for data in [
        &b"#!/bin/sh\necho\n"[..],
        b"#cloud-config\r\npackages: [jq]\r\n",
        b"## template: jinja\n#cloud-config\n",
        b"#include\nhttps://example.com/a\n",
        b"#cloud-boothook\n",
        b"#part-handler\n",
        b"#upstart-job\n",
        b"Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b--\n",
        &gzip(b"#cloud-config\n"),
        &gzip(b"MIME-Version: 1.0\nContent-Type: text/plain\n\n"),
    ] {
        let run = create(&aws, "aws", "ubuntu-24.04", data, &["--dry-run"]).expect(0);
        run.expect_not_in_stderr("warning");
    }
}

#[test]
fn windows_on_ec2_has_its_own_rules() {
    let (aws, _emulator) = aws();
    for (data, word) in [
        (&b"#!/bin/sh\n"[..], Some("<powershell>")),
        (b"#cloud-config\n", Some("<script>")),
        (b"<powershell>\ndir\n", Some("closing")),
        (b"version: 1.0\n", Some("<script>")),
        (&gzip(b"<script>dir</script>"), Some("<script>")),
        (b"<script>dir</script>", None),
        (
            b"\xef\xbb\xbf<powershell>\r\ndir\r\n</powershell>\r\n<persist>true</persist>",
            None,
        ),
        (b"version: 1.1\ntasks:\n- task: executeScript\n", None),
    ] {
        for more in [&["--dry-run"][..], &["--dry-run", "--ttl", "2h"]] {
            let run = create(&aws, "aws", "windows-2022", data, more).expect(0);
            let warned = run.stderr.lines().find(|line| line.starts_with("warning: "));
            match word {
                Some(word) => assert!(warned.unwrap_or_default().contains(word), "{}", run.stderr),
                None => assert_eq!(warned, None),
            }
        }
    }
}

#[test]
fn packed_user_data_is_sent_to_cloud_init_on_gcp() {
    let (gcp, _emulator) = gcp();
    let packed = gzip(b"#cloud-config\npackages: [jq]\n");
    let run = create(&gcp, "gcp", "ubuntu-24.04", &packed, &["--dry-run"]).expect(0);
    run.expect_not_in_stderr("warning");
    let run = create(&gcp, "gcp", "cos", &packed, &["--dry-run"]).expect(0);
    run.expect_not_in_stderr("warning");
    for image in ["debian-12", "rocky-9", "rhel-9", "suse-15"] {
        let run = create(&gcp, "gcp", image, &packed, &["--dry-run"]).expect(2);
        run.expect_in_stderr("gzip").expect_in_stderr("no cloud-init");
    }
    // What is sent is base64: a third more.
    let mut numbers = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        numbers = numbers.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (numbers >> 24) as u8
    })
    .take(210_000)
    .collect();
    let packed = gzip(&[b"#!/bin/sh\n", noise.as_slice()].concat());
    assert!(packed.len() < 256 * 1024);
    let run = create(&gcp, "gcp", "ubuntu-24.04", &packed, &["--dry-run"]).expect(2);
    run.expect_in_stderr("base64").expect_in_stderr("262144");
}

#[test]
fn images_without_cloud_init_are_named_on_gcp() {
    let (gcp, _emulator) = gcp();
    for image in ["rocky-9", "rhel-9", "suse-15"] {
        let run = create(&gcp, "gcp", image, b"#cloud-config\n", &["--dry-run"]).expect(0);
        run.expect_in_stderr("no cloud-init").expect_in_stderr("startup-script");
        let run = create(&gcp, "gcp", image, b"#!/bin/sh\n", &["--dry-run"]).expect(0);
        run.expect_not_in_stderr("warning");
    }
    let run = create(
        &gcp,
        "gcp",
        "debian-12",
        "\u{feff}#!/bin/sh\n".as_bytes(),
        &["--dry-run"],
    )
    .expect(2);
    run.expect_in_stderr("byte order mark");
    let run = create(&gcp, "gcp", "debian-12", b"#!/bin/sh\r\n", &["--dry-run"]).expect(0);
    run.expect_in_stderr("carriage return");
    let run = create(
        &gcp,
        "gcp",
        "windows-2022",
        b"<powershell>dir</powershell>",
        &["--dry-run"],
    )
    .expect(2);
    run.expect_in_stderr("sysprep-specialize-script-ps1");
    let run = create(&gcp, "gcp", "ubuntu-24.04", b"apt-get update\n", &["--dry-run"]).expect(0);
    run.expect_in_stderr("nothing runs it");
}

#[test]
fn own_key_that_windows_does_not_take_is_said() {
    let (aws, emulator) = aws();
    aws.write("home/.ssh/id_ed25519.pub", &format!("{ED25519} me\n"));
    let run = aws.run("create win-1 -p aws --image windows-2022").expect(0);
    run.expect_in_stderr("only RSA keys").expect_in_stderr("no password");
    run.expect_not_in_stderr("get-password-data");
    assert_eq!(emulator.alive().len(), 1);
}

#[test]
fn windows_without_any_key_is_told_that_there_is_no_password() {
    let (aws, _emulator) = aws();
    let run = aws
        .run("create win-1 -p aws --image windows-2022 --ssh-key none")
        .expect(0);
    run.expect_in_stderr("no password");
    // It could not work.
    run.expect_not_in_stderr("get-password-data");
}

#[test]
fn key_that_windows_on_gcp_does_nothing_with_gets_a_warning() {
    let (gcp, _emulator) = gcp();
    let path = gcp.write("id_ed25519.pub", &format!("{ED25519} me\n"));
    let create = |more: &[&str]| {
        let words = ["create", "win-1", "-p", "gcp", "--image", "windows-2022", "--dry-run"];
        gcp.run(&[&words, more].concat()).expect(0).stderr
    };
    let warned = create(&["--ssh-key", &path]);
    assert!(
        warned.contains("warning: the key of --ssh-key does nothing on Windows"),
        "{warned}"
    );
    // One's own key by default is nobody's wish, and where Windows runs an SSH server the key is of use.
    let ssh = ["--native", "metadata=enable-windows-ssh=TRUE"];
    for quiet in [create(&[]), create(&[&["--ssh-key", &path][..], &ssh].concat())] {
        assert!(!quiet.contains("warning"), "{quiet}");
    }
}

#[test]
fn user_data_warning_is_printed_once_for_all_zones() {
    for kind in BackendKind::EMULATORS {
        let backend = Backend::start(*kind);
        let zone = backend.home_zone();
        backend.exhaust_zone(zone);
        let path = backend.sandbox.write("setup.txt", "apt-get install -y nginx\n");
        let run = backend.run(&format!("create web -z {zone} --fallback zone,type --user-data {path}"));
        let run = run.expect(0);
        assert_eq!(run.stderr.matches("nothing runs it").count(), 1, "{}", run.stderr);
    }
}

#[test]
fn ed25519_key_for_windows_is_refused() {
    let (aws, emulator) = aws();
    let path = aws.write("id_ed25519.pub", &format!("{ED25519} me\n"));
    for more in ["", "--dry-run"] {
        let create = format!("create win-1 -p aws --image windows-2022 --ssh-key {path} {more}");
        let run = aws.run(&create).expect(2);
        run.expect_in_stderr("RSA");
    }
    assert!(emulator.alive().is_empty());
}

#[test]
fn private_key_by_mistake_names_the_public_one_beside_it() {
    let sandbox = Sandbox::new();
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n";
    let path = sandbox.write("id_ed25519", private);
    let create = ["create", "web-1", "-p", "mock", "--ssh-key", &path];
    let run = sandbox.run(&create).expect(2);
    run.expect_in_stderr("ssh-keygen -y");
    sandbox.write("id_ed25519.pub", &format!("{ED25519} me\n"));
    let run = sandbox.run(&create).expect(2);
    run.expect_in_stderr("beside it").expect_in_stderr("id_ed25519.pub");
    run.expect_not_in_stderr("b3BlbnNz").expect_not_in_stderr("AAAAC3");
}

#[test]
fn comment_of_a_key_makes_no_other_spec() {
    let (aws, _emulator) = aws();
    let (gcp, _other) = gcp();
    for (sandbox, cloud) in [(Sandbox::new(), "mock"), (aws, "aws"), (gcp, "gcp")] {
        let a = sandbox.write("a.pub", &format!("{ED25519} ada@laptop\n"));
        let b = sandbox.write("b.pub", &format!("{ED25519} ada@desktop\n"));
        let other = ED25519.replace("GKJl", "GKJm");
        let other = sandbox.write("c.pub", &format!("{other} ada@laptop\n"));
        let create = |key: &str| sandbox.run(&["create", "web-1", "-p", cloud, "--ssh-key", key, "-o", "json"]);
        let first = create(&a).expect(0).item();
        for key in [&b, &format!("{ED25519} inline"), ED25519] {
            assert_eq!(create(key).expect(0).item()["id"], first["id"]);
        }
        let run = create(&other).expect(6);
        run.expect_in_stderr("ssh-key is ").expect_in_stderr(", not ");
    }
}

#[test]
fn public_key_itself_is_taken_in_place_of_its_file() {
    let sandbox = Sandbox::new();
    let key = format!("{ED25519} me@example.com\n");
    let made = sandbox
        .run(&["create", "web-1", "-p", "mock", "--ssh-key", &key, "-o", "json"])
        .expect(0)
        .item();
    assert_eq!(made["native"]["ssh_key"], key.trim());
    let run = sandbox
        .run("create web-2 -p mock --ssh-key 'ssh-ed25519 AAAA me'")
        .expect(2);
    run.expect_in_stderr("damaged").expect_not_in_stderr("AAAA");
}
