//! Small inputs with an unexpected effect.

use crate::support::sandbox::Sandbox;
use cloud_emulators::{ec2, gce};

#[test]
fn null_in_a_spec_file_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    for key in [
        "name",
        "provider",
        "region",
        "zone",
        "type",
        "cpus",
        "memory",
        "arch",
        "gpu",
        "max-price",
        "budget",
        "image",
        "disk",
        "disk-type",
        "count",
        "ssh-key",
        "user-data",
        "network",
        "subnet",
        "firewall",
        "open",
        "no-public-ip",
        "identity",
        "label",
        "spot",
        "protect",
        "ttl",
        "fallback",
        "native",
        "wait",
    ] {
        for null in ["null", "~", "", "Null", "NULL"] {
            let path = sandbox.write("vm.yaml", &format!("# a VM\n{key}: {null}\n"));
            let run = sandbox
                .run(&["create", "-p", "mock", "-f", &path, "--dry-run"])
                .expect(2);
            run.expect_in_stderr("vm.yaml:2:").expect_in_stderr(key);
        }
        let path = sandbox.write("vm.json", &format!("{{\n\"{key}\": null}}"));
        let run = sandbox
            .run(&["create", "-p", "mock", "-f", &path, "--dry-run"])
            .expect(2);
        run.expect_in_stderr("vm.json:2:").expect_in_stderr(key);
    }
    for inner in [
        "label: {a: null}",
        "label: {a: ~}",
        "label:\n  a:",
        "firewall: [~]",
        "region: [null]",
        "open: [null]",
    ] {
        let path = sandbox.write("vm.yaml", inner);
        let run = sandbox
            .run(&["create", "-p", "mock", "-f", &path, "--dry-run"])
            .expect(2);
        let key = inner.split(':').next().unwrap();
        run.expect_in_stderr("vm.yaml:").expect_in_stderr(key);
    }
    let path = sandbox.write("vm.yaml", "name: \"null\"\nlabel: {a: \"null\", b: \"\", c: '~'}\n");
    let made = sandbox
        .run(&["create", "-p", "mock", "-f", &path, "-o", "json"])
        .expect(0)
        .item();
    assert_eq!(
        (made["name"].as_str(), made["labels"]["a"].as_str()),
        (Some("null"), Some("null"))
    );
    assert_eq!(
        (made["labels"]["b"].as_str(), made["labels"]["c"].as_str()),
        (Some(""), Some("~"))
    );
}

#[test]
fn text_in_yaml_stays_as_it_is_written() {
    let sandbox = Sandbox::new();
    let labels = [
        ("on", "off"),
        ("yes", "no"),
        ("version", "1.10"),
        ("mode", "0755"),
        ("octal", "0o17"),
        ("time", "12:30:45"),
        ("day", "2026-11-27"),
        ("hex", "0x1F"),
        ("big", "1_000"),
        ("exp", "1e3"),
        ("t", "true"),
        ("T", "True"),
        ("1.0", "1"),
        ("n", ".inf"),
        ("plus", "+1"),
        ("account", "012345678901"),
        ("long", "12345678901234567890123"),
    ];
    let lines: String = labels
        .iter()
        .map(|(key, value)| format!("  {key}: {value}\n"))
        .collect();
    let path = sandbox.write("vm.yaml", &format!("name: yes\nlabel:\n{lines}"));
    let made = sandbox
        .run(&["create", "-p", "mock", "-f", &path, "-o", "json"])
        .expect(0)
        .item();
    assert_eq!(made["name"], "yes");
    for (key, value) in labels {
        assert_eq!(made["labels"][key], value, "{key}");
    }
    for (text, shown) in [
        ("name: 123", "\"123\""),
        ("name: 1.10", "\"1.10\""),
        ("image: 1.10", "\"1.10\""),
        ("type: 010", "010"),
    ] {
        let path = sandbox.write("vm.yaml", text);
        let run = sandbox
            .run(&["create", "-p", "mock", "-f", &path, "--dry-run"])
            .expect(2);
        run.expect_in_stderr(shown);
    }
}

#[test]
fn text_of_another_type_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    for (file, text, place) in [
        ("a.toml", "name = \"a\"\nlabel = { day = 2026-11-27 }\n", "a.toml:2:"),
        ("b.toml", "name = 2026-11-27\n", "b.toml:1:"),
        ("c.toml", "image = 1.10\n", "c.toml:1:"),
        ("d.toml", "label = { on = true }\n", "d.toml:1:"),
        ("e.json", "{\"label\": {\"version\": 1.10}}", "e.json:1:"),
        ("f.json", "{\"name\": true}", "f.json:1:"),
        ("g.toml", "ttl = 12:30:00\n", "g.toml:1:"),
        ("h.yaml", "count: 010\n", "h.yaml:1:"),
        ("i.yaml", "spot: on\n", "i.yaml:1:"),
        ("j.yaml", "disk: 1:30\n", "j.yaml:1:"),
        ("k.yaml", "label: [a, b]\n", "k.yaml:1:"),
    ] {
        let path = sandbox.write(file, text);
        let run = sandbox
            .run(&["create", "-p", "mock", "-f", &path, "--dry-run"])
            .expect(2);
        let key = match file {
            "a.toml" => "label",
            "e.json" => "version",
            "k.yaml" => "label",
            _ => text
                .trim_start_matches(['{', '"'])
                .split(['"', ' ', ':'])
                .next()
                .unwrap(),
        };
        run.expect_in_stderr(place);
        run.expect_in_stderr(key);
    }
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me";

#[test]
fn home_folder_is_meant_by_a_tilde_in_every_path() {
    let mut sandbox = Sandbox::new();
    sandbox.write("home/.ssh/id_work.pub", &format!("{KEY}\n"));
    sandbox.write("home/boot.sh", "#!/bin/sh\n");
    sandbox.write("home/vm.yaml", "name: from-home\n");
    for (file, text) in [
        (
            "a.toml",
            "ssh-key = \"~/.ssh/id_work.pub\"\nuser-data = \"~/boot.sh\"\n",
        ),
        ("b.yaml", "ssh-key: ~/.ssh/id_work.pub\nuser-data: ~/boot.sh\n"),
        (
            "c.json",
            "{\"ssh-key\": \"~/.ssh/id_work.pub\", \"user-data\": \"~/boot.sh\"}",
        ),
        (
            "below/d.yaml",
            "vm: [{name: d, ssh-key: ~/.ssh/id_work.pub, user-data: ~/boot.sh}]\n",
        ),
    ] {
        let path = sandbox.write(file, text);
        let made = sandbox
            .run(&["create", "-p", "mock", "-f", &path, "-o", "json"])
            .expect(0)
            .item();
        assert_eq!(made["native"]["ssh_key"], KEY, "{file}");
        assert_eq!(made["native"]["user_data_bytes"], 10, "{file}");
    }
    let flags = "create web-1 -p mock --ssh-key=~/.ssh/id_work.pub --user-data=~/boot.sh -o json";
    assert_eq!(sandbox.run(flags).expect(0).item()["native"]["ssh_key"], KEY);
    let made = sandbox.run("create -p mock --file=~/vm.yaml -o json").expect(0).item();
    assert_eq!(made["name"], "from-home");
    sandbox.set("CLOUDCTL_MOCK_STATE", "~/state.json");
    sandbox.run("create web-1 -p mock").expect(0);
    assert!(sandbox.home().join("state.json").is_file());
    sandbox.write(
        "home/config.toml",
        "current = \"dev\"\n[contexts.dev]\nproviders = [\"mock\"]\n",
    );
    sandbox.set("CLOUDCTL_CONFIG", "~/config.toml");
    sandbox.run("list").expect(0);
    sandbox.run("create web-2 -p mock --ssh-key ~/absent.pub").expect(2);
}

#[test]
fn zone_in_the_place_of_a_region_is_said() {
    let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
    let mut sandbox = Sandbox::new();
    sandbox.point_at_aws(&ec2.url()).point_at_gcp(&gce.url(), "acme-dev");
    for (cloud, zone) in [
        ("aws", "us-east-1a"),
        ("aws", "us-gov-west-1b"),
        ("aws", "us-west-2-lax-1a"),
        ("gcp", "us-central1-a"),
        ("mock", "us-east-1a"),
    ] {
        for verb in [
            &["create", "web-1"][..],
            &["create", "web-1", "--dry-run"],
            &["list"],
            &["describe", "web-1"],
            &["terminate", "web-1", "-y"],
            &["wait", "web-1", "--for", "running"],
            &["type", "list"],
            &["image", "list"],
        ] {
            let run = sandbox.run(&[verb, &["-p", cloud, "-r", zone]].concat()).expect(2);
            assert!(
                run.stderr.contains(&format!("{zone} is a zone: use -z {zone}")),
                "{verb:?}: {}",
                run.stderr
            );
        }
        if cloud != "mock" {
            let run = sandbox
                .run(&["price", "--cpus", "2", "-p", cloud, "-r", zone])
                .expect(2);
            run.expect_in_stderr(format!("{zone} is a zone"));
        }
    }
}

/// What all planned VMs cost until their time is over, in USD.
fn total(sandbox: &Sandbox, arguments: &[&str]) -> f64 {
    let plan = ["create", "-p", "mock", "--dry-run", "-o", "json"];
    let items = sandbox.run(&[&plan[..], arguments].concat()).expect(0).items();
    items
        .iter()
        .map(|item| item["price_usd_for_ttl"].as_f64().unwrap())
        .sum()
}

#[test]
fn budget_is_for_all_together_as_a_flag_and_in_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "three.toml",
        "budget = 6\n[[vm]]\nname = \"a\"\n[[vm]]\nname = \"b\"\ncount = 2\n",
    );
    sandbox.write("group.toml", "name = \"g\"\ncount = 3\nbudget = 6\n");
    sandbox.write(
        "own.toml",
        "budget = 6\n[[vm]]\nname = \"a\"\nbudget = 2\n[[vm]]\nname = \"b\"\ncount = 2\n",
    );
    sandbox.write("plain.toml", "[[vm]]\nname = \"a\"\n[[vm]]\nname = \"b\"\ncount = 2\n");
    for (arguments, expected) in [
        (&["g", "--count", "3", "--budget", "6"][..], 6.0),
        (&["-f", "group.toml"], 6.0),
        (&["-f", "three.toml"], 6.0),
        (&["-f", "plain.toml", "--budget", "6"], 6.0),
        (&["-f", "three.toml", "--budget", "3"], 3.0),
        (&["-f", "own.toml"], 8.0),
    ] {
        let total = total(&sandbox, arguments);
        assert!((total - expected).abs() < 0.05, "{arguments:?}: {total}");
    }
}

#[test]
fn region_in_the_place_of_a_zone_is_said() {
    let (mut aws, mut gcp) = (Sandbox::new(), Sandbox::new());
    let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
    aws.point_at_aws(&ec2.url());
    gcp.point_at_gcp(&gce.url(), "acme-dev");
    for (sandbox, cloud, region) in [
        (&Sandbox::new(), "mock", "eu-west-1"),
        (&aws, "aws", "us-gov-west-1"),
        (&aws, "aws", "eu-west-1"),
        (&gcp, "gcp", "europe-west1"),
    ] {
        for verb in [&["create", "web-1"][..], &["list"], &["terminate", "web-1", "-y"]] {
            let run = sandbox.run(&[verb, &["-p", cloud, "-z", region]].concat()).expect(2);
            let told = format!("{region} is a region: use -r {region}");
            assert!(run.stderr.contains(&told), "{verb:?}: {}", run.stderr);
        }
    }
}

#[test]
fn regions_are_listed_by_the_flag_and_not_by_where_vms_go() {
    let mut sandbox = Sandbox::new();
    let list = |sandbox: &Sandbox, words: &[&str], code| {
        let run = sandbox
            .run(&[&["region", "list", "-p", "mock"], words].concat())
            .expect(code);
        (run.stdout.lines().count(), run.stderr)
    };
    let all = list(&sandbox, &["-o", "name"], 0).0;
    assert!(all > 1);
    assert_eq!(list(&sandbox, &["-o", "name", "-r", "eu-west-1"], 0).0, 1);
    assert_eq!(
        list(&sandbox, &["-o", "name", "-r", "europe", "-r", "us-east-1"], 0).0,
        2
    );
    for (word, told) in [
        ("eu-west-1a", "is a zone: use -z eu-west-1a"),
        ("eu-nowhere-1", "eu-nowhere-1"),
    ] {
        let (_, stderr) = list(&sandbox, &["-r", word], 2);
        assert!(stderr.contains(told), "{stderr}");
    }
    sandbox.set("CLOUDCTL_REGION", "eu-west-1");
    assert_eq!(list(&sandbox, &["-o", "name"], 0).0, all);
}

#[test]
fn words_of_other_tools_for_a_vm_that_is_gone_are_understood() {
    let sandbox = Sandbox::new();
    for word in ["gone", "deleted", "terminated"] {
        sandbox.run(&["wait", "web-1", "-p", "mock", "--for", word]).expect(0);
    }
}

#[test]
fn byte_order_mark_before_a_public_key_is_passed_over() {
    let sandbox = Sandbox::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me";
    let path = sandbox.write("id.pub", &format!("\u{feff}{key}\r\n"));
    let run = sandbox.run(&["create", "web-1", "-p", "mock", "--ssh-key", &path, "-o", "json"]);
    assert_eq!(run.expect(0).item()["native"]["ssh_key"], key);
}
