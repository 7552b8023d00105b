//! Spec files: three formats that mean the same, several VMs in one file, and mistakes named by line.

use serde_json::{Value, json};

use crate::names;
use crate::support::sandbox::{Run, Sandbox};

/// Runs `create -f FILE ARGUMENTS` on the mock.
fn create(sandbox: &Sandbox, file: &str, text: &str, arguments: &[&str]) -> Run {
    sandbox.write(file, text);
    let path = sandbox.folder().join(file);
    let path = path.to_str().expect("a path");
    sandbox.run(&[&["create", "-p", "mock", "-o", "json", "-f", path], arguments].concat())
}

const TOML: &str = r#"
name = "a"
cpus = 4
memory = 16
region = "europe"
open = ["22", "443/10.0.0.0/8"]
ttl = "2h"
[label]
env = "dev"
"#;
const YAML: &str = r#"
name: a
cpus: 4
memory: 16
region: europe
open: ["22", 443/10.0.0.0/8]
ttl: 2h
label: {env: dev}
"#;
const JSON: &str = r#"{
  "name": "a", "cpus": 4, "memory": 16, "region": ["europe"], "open": ["22", "443/10.0.0.0/8"],
  "ttl": "2h", "label": {"env": "dev"}
}"#;

#[test]
fn three_formats_say_the_same() {
    let sandbox = Sandbox::new();
    let made = create(&sandbox, "a.toml", TOML, &[]).expect(0).item();
    assert_eq!(made["machine_type"], "large");
    assert_eq!(made["region"], "eu-west-1");
    assert_eq!(made["native"]["openings"], json!(["22", "443/10.0.0.0/8"]));
    for (file, text) in [("a.yaml", YAML), ("a.json", JSON)] {
        let same = create(&sandbox, file, text, &[]).expect(0).item();
        assert_eq!(same["id"], made["id"], "{file}");
    }
    assert_eq!(names(&sandbox), ["a"]);
}

#[test]
fn several_vms_share_what_stands_at_the_top() {
    let sandbox = Sandbox::new();
    let text = r#"
        image = "debian-12"
        label = { env = "dev", team = "web" }
        [[vm]]
        name = "one"
        label = { team = "db" }
        [[vm]]
        name = "two"
        count = 2
        image = "ubuntu-24.04"
    "#;
    let made = create(&sandbox, "several.toml", text, &[]).expect(0).items();
    let of = |name: &str| made.iter().find(|item| item["name"] == name).expect("the VM");
    assert_eq!(made.len(), 3);
    assert_eq!(of("one")["labels"], json!({ "env": "dev", "team": "db" }));
    assert_eq!(of("one")["image"], "img-debian-12-x86_64");
    assert_eq!(of("two-1")["labels"], json!({ "env": "dev", "team": "web" }));
    assert_eq!(of("two-2")["image"], "img-ubuntu-24.04-x86_64");
    // Again, and nothing is made; a flag holds for all of them.
    let again = create(&sandbox, "several.toml", text, &[]).expect(0).items();
    assert_eq!(again.len(), 3);
    let other = create(&sandbox, "several.toml", text, &["--image", "debian-13"]).expect(6);
    assert_eq!(other.error_kinds(), ["already_exists"; 3]);
    assert_eq!(names(&sandbox).len(), 3);
}

#[test]
fn flags_go_before_the_file() {
    let sandbox = Sandbox::new();
    let made = create(
        &sandbox,
        "a.toml",
        TOML,
        &["-r", "us-east-1", "--cpus", "8", "--ttl", "never"],
    )
    .expect(0)
    .item();
    assert_eq!(
        (&made["region"], &made["machine_type"]),
        (&json!("us-east-1"), &json!("xlarge"))
    );
    assert_eq!(made["expires_at"], Value::Null);
}

#[test]
fn spec_file_is_read_from_stdin() {
    let sandbox = Sandbox::new();
    for (text, name) in [
        ("{\"name\": \"of-json\"}", "of-json"),
        ("name: of-yaml\n", "of-yaml"),
        ("name = \"of-toml\"\n", "of-toml"),
    ] {
        let run = sandbox.run_with_input("create -p mock -f - -o json", text);
        assert_eq!(run.expect(0).item()["name"], name);
    }
}

#[test]
fn mistakes_are_named_by_file_line_and_key() {
    let sandbox = Sandbox::new();
    for (file, text, words) in [
        (
            "a.toml",
            "name = \"a\"\nimge = \"x\"\n",
            &["a.toml:2", "imge", "did you mean `image`?"][..],
        ),
        (
            "a.yaml",
            "name: a\nimge: x\n",
            &["a.yaml:2", "imge", "did you mean `image`?"],
        ),
        (
            "a.json",
            "{\n\"name\": \"a\",\n\"imge\": \"x\"}",
            &["a.json:3", "imge", "did you mean `image`?"],
        ),
        (
            "b.toml",
            "name = \"a\"\n[[vm]]\nname = \"b\"\ncuont = 2\n",
            &["b.toml:4", "cuont", "did you mean `count`?"],
        ),
        ("b.yaml", "cpus: four\n", &["b.yaml:1", "cpus"]),
        ("b.json", "{\"cpus\": ", &["b.json:1"]),
        (
            "c.toml",
            "[[vm]]\nimage = \"x\"\n[[vm]]\nname = \"b\"\n",
            &["number 1 of the list `vm` has no name"],
        ),
        (
            "d.toml",
            "[[vm]]\nname = \"a\"\n[[vm]]\nname = \"a\"\n",
            &["two VMs are called \"a\""],
        ),
        (
            "e.toml",
            "[[vm]]\nname = \"a\"\n[[vm.vm]]\nname = \"b\"\n",
            &["e.toml:3", "vm"],
        ),
        ("f.ini", "name = a\n", &["f.ini:1"]),
        ("g.yaml", "open: {22: yes}\n", &["g.yaml:1"]),
        ("h.toml", "gpu = \"t4:0\"\nname = \"a\"\n", &["t4:0"]),
        ("i.toml", "open = [\"22/10.0.0.1/8\"]\nname = \"a\"\n", &["10.0.0.1/8"]),
        ("j.toml", "fallback = [\"planet\"]\n", &["j.toml:1", "planet"]),
    ] {
        let run = create(&sandbox, file, text, &[]).expect(2);
        for word in words {
            assert!(run.stderr.contains(word), "{word} in {file}: {}", run.stderr);
        }
        assert_eq!(run.stderr.matches("error:").count(), 1, "{}", run.stderr);
    }
    let several = "[[vm]]\nname = \"a\"\n[[vm]]\nname = \"b\"\n";
    let run = create(&sandbox, "k.toml", several, &["c"]).expect(2);
    run.expect_in_stderr("\"c\" is given, but");
    assert_eq!(names(&sandbox), [""; 0]);
}
