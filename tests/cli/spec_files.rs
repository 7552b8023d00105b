//! Spec files in each of their formats, and the schemas of input and output.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use crate::{create, names};
use cloud_emulators::python_environment;

fn example(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("examples").join(name).to_string_lossy().into_owned()
}

/// What a dry run would make, by name.
fn plans(sandbox: &Sandbox, arguments: &[&str]) -> Vec<Value> {
    let all = [&["create", "-p", "mock", "--dry-run", "-o", "json"], arguments].concat();
    sandbox.run(&all).expect(0).items()
}

fn names_of(items: &[Value]) -> Vec<&str> {
    items.iter().filter_map(|item| item["name"].as_str()).collect()
}

/// The same VMs in every format.
const SAME: [(&str, &str); 3] = [
    (
        "same.toml",
        "spot = true\n[label]\nenv = \"a\"\nteam = \"x\"\n[[vm]]\nname = \"one\"\nspot = false\n\
         [[vm]]\nname = \"two\"\ncount = 2\ndisk = 20\nopen = [22, \"443/10.0.0.0/8\"]\nlabel = { env = \"b\" }\n",
    ),
    (
        "same.yml",
        "spot: true\nlabel: {env: a, team: x}\nvm:\n- name: one\n  spot: false\n\
         - name: two\n  count: 2\n  disk: 20\n  open: [22, 443/10.0.0.0/8]\n  label: {env: b}\n",
    ),
    (
        "same.json",
        "{\"spot\": true, \"label\": {\"env\": \"a\", \"team\": \"x\"}, \"vm\": [{\"name\": \"one\", \"spot\": false},\n\
         {\"name\": \"two\", \"count\": 2, \"disk\": 20, \"open\": [22, \"443/10.0.0.0/8\"], \"label\": {\"env\": \"b\"}}]}\n",
    ),
];

#[test]
fn spec_file_of_any_format_creates_several_vms() {
    for (name, text) in SAME {
        for is_input in [false, true] {
            let mut sandbox = Sandbox::new();
            sandbox.start_mock_vms_at_once();
            let path = sandbox.write(name, text);
            let source = if is_input { "-" } else { &path };
            let run = sandbox.run_with_input(&["create", "-p", "mock", "-o", "json", "-f", source], text);
            let items = run.expect(0).items();
            assert_eq!(names_of(&items), ["one", "two-1", "two-2"], "{name}");
            let (one, two) = (&items[0], &items[2]);
            assert_eq!((&one["spot"], &two["spot"]), (&false.into(), &true.into()), "{name}");
            assert_eq!(one["labels"], serde_json::json!({"env": "a", "team": "x"}), "{name}");
            assert_eq!(two["labels"], serde_json::json!({"env": "b", "team": "x"}), "{name}");
            assert_eq!(two["native"]["disk_gib"], 20, "{name}");
            assert_eq!(
                two["native"]["openings"],
                serde_json::json!(["22", "443/10.0.0.0/8"]),
                "{name}"
            );
            // The same again makes nothing.
            let again = sandbox
                .run_with_input(&["create", "-p", "mock", "-q", "-f", source], text)
                .expect(0);
            assert_eq!(again.stdout.lines().count(), 3, "{name}");
            assert_eq!(names(&sandbox).len(), 3, "{name}");
        }
    }
}

#[test]
fn flags_go_before_the_file() {
    let sandbox = Sandbox::new();
    let (name, text) = SAME[0];
    sandbox.write(name, text);
    let run = [
        "create", "-p", "mock", "-o", "json", "-f", name, "-l", "env=c", "--disk", "30", "--open", "80",
    ];
    for item in sandbox.run(&run).expect(0).items() {
        assert_eq!(item["labels"]["env"], "c");
        assert_eq!(item["native"]["disk_gib"], 30);
        assert_eq!(item["native"]["openings"], serde_json::json!(["80"]));
    }
}

#[test]
fn spec_budget_and_ttl_replace_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write("ttl.toml", "name = \"a\"\nttl = \"30d\"\n");
    sandbox.write("budget.toml", "name = \"a\"\nbudget = 0.01\n");
    sandbox.write("mixed.yaml", "ttl: 30d\nvm: [{name: a, budget: 0.01}]\n");
    let ttl = |arguments: &[&str]| {
        plans(&sandbox, arguments)[0]["ttl"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(ttl(&["-f", "ttl.toml"]), "30d");
    let bought = ttl(&["-f", "budget.toml"]);
    assert!(!bought.is_empty() && bought != "30d", "{bought}");
    assert_eq!(ttl(&["-f", "ttl.toml", "--budget", "0.01"]), bought);
    assert_eq!(ttl(&["-f", "mixed.yaml"]), bought);
    assert_eq!(ttl(&["-f", "budget.toml", "--ttl", "30d"]), "30d");
}

#[test]
fn user_data_from_stdin_goes_to_every_vm() {
    let sandbox = Sandbox::new();
    let (name, text) = SAME[1];
    sandbox.write(name, text);
    let arguments = ["create", "-p", "mock", "-o", "json", "-f", name, "--user-data", "-"];
    for item in sandbox.run_with_input(&arguments, "#!/bin/sh\n").expect(0).items() {
        assert_eq!(item["native"]["user_data_bytes"], 10);
    }
    let both = ["create", "-p", "mock", "-f", "-", "--user-data", "-"];
    let refused = sandbox.run_with_input(&both, text).expect(2);
    refused.expect_in_stderr("standard input");
}

#[test]
fn each_vm_is_waited_for_as_it_says() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mixed.toml",
        "[[vm]]\nname = \"fast\"\nwait = \"none\"\n[[vm]]\nname = \"slow\"\nwait = \"ssh\"\n",
    );
    let items = sandbox.run("create -p mock -o json -f mixed.toml").expect(0).items();
    assert_eq!(
        (&items[0]["state"], &items[1]["state"]),
        (&"pending".into(), &"running".into())
    );
}

#[test]
fn the_examples_can_be_created() {
    for (name, count) in [("fleet.yaml", 5), ("pair.json", 2), ("web.toml", 1)] {
        assert_eq!(plans(&Sandbox::new(), &["-f", &example(name)]).len(), count, "{name}");
    }
}

#[test]
fn committed_schema_equals_the_printed_one() {
    let printed = Sandbox::new().run("schema spec").expect(0).stdout;
    let path = example("spec.schema.json");
    if std::env::var("SNAPSHOTS").is_ok_and(|what| what == "overwrite") {
        fs::write(&path, &printed).expect("the schema");
    }
    let committed = fs::read_to_string(&path).expect("the schema");
    assert!(
        committed == printed,
        "examples/spec.schema.json is another one: run with SNAPSHOTS=overwrite"
    );
}

/// Checks documents by a validator that we did not write. Gives those that it refuses.
fn refused_by(schema: &Value, documents: &[(String, Value)]) -> Vec<String> {
    let script = "import json, sys, jsonschema\n\
                  given = json.load(sys.stdin)\n\
                  jsonschema.Draft202012Validator.check_schema(given['schema'])\n\
                  check = jsonschema.Draft202012Validator(given['schema'])\n\
                  print('\\n'.join(name for name, one in given['documents'] if not check.is_valid(one)), end='')";
    let mut child = Command::new(python_environment::programs().join("python"))
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let given = serde_json::json!({"schema": schema, "documents": documents});
    serde_json::to_writer(child.stdin.take().expect("its input"), &given).expect("its input");
    let output = child.wait_with_output().expect("python");
    assert!(output.status.success(), "the schema is none");
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    names.lines().map(str::to_owned).collect()
}

fn schema(what: &str) -> Value {
    let printed = Sandbox::new().run(&["schema", what]).expect(0).stdout;
    serde_json::from_str(&printed).expect("JSON")
}

fn document(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    match path.extension()?.to_str()? {
        "toml" => toml::from_str(&text).ok(),
        "yaml" => yaml_serde::from_str(&text).ok(),
        "json" => serde_json::from_str(&text).ok(),
        _ => None,
    }
}

#[test]
fn schema_accepts_examples_and_refuses_mistakes() {
    let files = [
        "web.toml",
        "aws-builder.toml",
        "gcp-builder.toml",
        "fleet.yaml",
        "pair.json",
    ];
    let documents = files.map(|name| (name.to_owned(), document(Path::new(&example(name))).expect(name)));
    let schema = schema("spec");
    assert_eq!(refused_by(&schema, &documents), Vec::<String>::new());
    let mistakes = [
        serde_json::json!({"imgae": "x"}),
        serde_json::json!({"cpus": 0}),
        serde_json::json!({"cpus": "two"}),
        serde_json::json!({"memory": -1}),
        serde_json::json!({"count": 1001}),
        serde_json::json!({"provider": "azure"}),
        serde_json::json!({"arch": "vax"}),
        serde_json::json!({"gpu": "t4:0"}),
        serde_json::json!({"open": ["ssh"]}),
        serde_json::json!({"open": 0}),
        serde_json::json!({"disk": "10TB"}),
        serde_json::json!({"fallback": "zone"}),
        serde_json::json!({"label": {"a": 1}}),
        serde_json::json!({"wait": "forever"}),
        serde_json::json!({"fallback": ["moon"]}),
        serde_json::json!({"ttl": null}),
        serde_json::json!({"vm": []}),
        serde_json::json!({"vm": [{"vm": []}]}),
        serde_json::json!({"vm": [["a"]]}),
        serde_json::json!({"image": ""}),
        serde_json::json!(["a"]),
        serde_json::json!([]),
    ];
    let mistakes: Vec<_> = mistakes.into_iter().map(|one| (one.to_string(), one)).collect();
    let sandbox = Sandbox::new();
    for (name, mistake) in &mistakes {
        // What the schema refuses is refused by cloudctl, and the other way round.
        sandbox.write("mistake.json", &mistake.to_string());
        let run = sandbox.run("create -p mock --dry-run -f mistake.json");
        assert_eq!(run.code, 2, "{name}: {run:?}");
    }
    assert_eq!(refused_by(&schema, &mistakes).len(), mistakes.len());
}

#[test]
fn output_is_valid_by_the_schemas() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["plain"]);
    create(
        &sandbox,
        &["rich", "--ttl", "2h", "--protect", "--spot", "-l", "a=b", "--cpus", "4"],
    );
    let items = sandbox.run("list -p mock -o json").expect(0).items();
    let documents: Vec<_> = items.into_iter().map(|item| (item["name"].to_string(), item)).collect();
    assert_eq!(refused_by(&schema("instance"), &documents), Vec::<String>::new());
    let failed = sandbox.run("describe absent -p mock -o json").expect(3);
    let error = failed.json()["errors"][0].clone();
    assert_eq!(
        refused_by(&schema("error"), &[("error".to_owned(), error)]),
        Vec::<String>::new()
    );
    assert_eq!(
        refused_by(&schema("error"), &[("none".to_owned(), serde_json::json!({}))]),
        ["none"]
    );
}
