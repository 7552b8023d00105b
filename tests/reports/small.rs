//! Small things that go another way than people expect.

use crate::support::sandbox::Sandbox;

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
            assert!(
                run.stderr.contains("vm.yaml:2:") && run.stderr.contains(key),
                "{}",
                run.stderr
            );
        }
        let path = sandbox.write("vm.json", &format!("{{\n\"{key}\": null}}"));
        let run = sandbox
            .run(&["create", "-p", "mock", "-f", &path, "--dry-run"])
            .expect(2);
        assert!(
            run.stderr.contains("vm.json:2:") && run.stderr.contains(key),
            "{}",
            run.stderr
        );
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
        assert!(
            run.stderr.contains("vm.yaml:") && run.stderr.contains(key),
            "{}",
            run.stderr
        );
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
        assert!(run.stderr.contains(shown), "{}", run.stderr);
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
        assert!(run.stderr.contains(place), "{}", run.stderr);
        assert!(run.stderr.contains(key), "{}", run.stderr);
    }
}
