//! The sample of a spec file, and the other spellings of its keys.

use serde_json::json;

use crate::support::sandbox::Sandbox;

/// What a spec file would create, by the names of VMs.
fn planned(sandbox: &Sandbox, spec: &str) -> Vec<serde_json::Value> {
    let run = sandbox.run_with_input("create -f - --dry-run -p mock -o json", spec);
    run.expect(0).items()
}

#[test]
fn sample_spec_is_accepted_as_it_is() {
    let sandbox = Sandbox::new();
    let sample = sandbox.run("schema spec --example").expect(0).stdout;
    let run = sandbox
        .run_with_input("create -f - --dry-run -o json", &sample)
        .expect(0);
    let names: Vec<_> = run.items().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["web-1", "worker-1", "worker-2", "worker-3"]);
    sandbox.run_with_input("create -f -", &sample).expect(0);
    let help = sandbox.run("help spec-file").expect(0).stdout;
    assert!(help.ends_with(&sample), "{help}");
}

/// Each key of the schema is in the sample, and each line that is a comment there is accepted too.
#[test]
fn sample_spec_has_every_key() {
    let sandbox = Sandbox::new();
    let sample = sandbox.run("schema spec --example").expect(0).stdout;
    let schema = sandbox.run("schema spec").expect(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let has_key = |key: &str| {
        sample.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ', '[']);
            line.starts_with(&format!("{key} =")) || line.starts_with(&format!("{key}]]"))
        })
    };
    for key in schema["properties"].as_object().expect("keys").keys() {
        assert!(has_key(key), "{key}");
    }
    sandbox.write(
        "home/.ssh/id_ed25519.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHBKpSIMKTiQ3l5GAqJGBC3RV2XUOrSUvOmcQ5kZ9Sn a@b\n",
    );
    let setup = sandbox.write("setup.sh", "#!/bin/sh\n");
    for line in sample.lines().filter_map(|line| line.strip_prefix("#   ")) {
        let line = line.replace("setup.sh", &setup);
        let spec = format!("name = \"web-1\"\n{line}\n");
        // Whether the mock cloud has such a thing is another question. Its keys and values are understood.
        let run = sandbox.run_with_input("create -f - --dry-run -p mock", &spec);
        run.expect_not_in_stderr("standard input:")
            .expect_not_in_stderr("panicked");
    }
}

#[test]
fn example_of_another_schema_is_refused() {
    let run = Sandbox::new().run("schema instance --example").expect(2);
    run.expect_in_stderr("cloudctl schema spec --example");
}

#[test]
fn other_spellings_of_keys_are_accepted() {
    let sandbox = Sandbox::new();
    let items = planned(
        &sandbox,
        "[[vms]]\nname = \"a\"\nlabels = { env = \"ci\" }\nmax_price = 5\n[[vms]]\nname = \"b\"\n",
    );
    assert_eq!(items.len(), 2);
    let setup = sandbox.write("setup.sh", "#!/bin/sh\n");
    for key in ["user-data", "user_data"] {
        planned(&sandbox, &format!("name: a\n{key}: {setup}\n"));
    }
}

#[test]
fn both_spellings_of_a_key_are_refused() {
    let sandbox = Sandbox::new();
    for spec in [
        "[[vm]]\nname = \"a\"\n[[vms]]\nname = \"b\"\n",
        "name = \"a\"\nmax-price = 1\nmax_price = 1\n",
        "name: a\nlabel: {a: b}\nlabels: {c: d}\n",
    ] {
        let run = sandbox.run_with_input("create -f - --dry-run -p mock", spec).expect(2);
        run.expect_in_stderr("duplicate field");
    }
}

#[test]
fn labels_are_a_map_or_a_list() {
    let sandbox = Sandbox::new();
    for (name, labels) in [
        ("a", "label = { env = \"ci\", team = \"blue\" }"),
        ("b", "label = [\"env=ci\", \"team=blue\"]"),
        ("c", "labels = [\"env=ci\", \"team=blue\"]"),
    ] {
        let spec = format!("name = \"{name}\"\n{labels}\n");
        let item = sandbox
            .run_with_input("create -f - -p mock -o json", &spec)
            .expect(0)
            .item();
        assert_eq!(item["labels"], json!({"env": "ci", "team": "blue"}), "{labels}");
    }
    for (list, told) in [
        ("[\"env\"]", "write it as key=value"),
        ("[\"a=1\", \"a=2\"]", "is given twice"),
        ("7", "list of"),
    ] {
        let spec = format!("name = \"d\"\nlabel = {list}\n");
        sandbox
            .run_with_input("create -f - -p mock", &spec)
            .expect(2)
            .expect_in_stderr(told);
    }
}

#[test]
fn sizes_and_times_in_a_spec_are_read_as_flags_are() {
    let sandbox = Sandbox::new();
    let number = planned(&sandbox, "name: a\nmemory: 4\n");
    let text = planned(&sandbox, "name: a\nmemory: 4GiB\n");
    assert_eq!(number, text);
    let run = sandbox
        .run_with_input("create -f - -p mock", "name: a\nttl: 7200\n")
        .expect(2);
    run.expect_in_stderr("add a unit: 7200s, or 2h");
}
