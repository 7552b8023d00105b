//! Labels whose text means something else in a selector.

use std::collections::BTreeMap;

use crate::support::command_line::CommandLine;
use crate::support::sandbox::{Run, Sandbox};
use cloud_emulators::{ec2, gce};

/// A sandbox with one cloud, and the arguments that name it.
struct Cloud {
    sandbox: Sandbox,
    kind: &'static str,
    _ec2: Option<ec2::Emulator>,
    _gce: Option<gce::Emulator>,
}

impl Cloud {
    fn mock() -> Self {
        Self {
            sandbox: Sandbox::new(),
            kind: "mock",
            _ec2: None,
            _gce: None,
        }
    }

    fn all() -> [Self; 3] {
        let (ec2, gce) = (ec2::Emulator::start(), gce::Emulator::start());
        let (mut aws, mut gcp) = (Sandbox::new(), Sandbox::new());
        aws.point_at_aws(&ec2.url());
        gcp.point_at_gcp(&gce.url(), "acme-dev");
        let (ec2, gce) = (Some(ec2), Some(gce));
        [
            Self::mock(),
            Self {
                sandbox: aws,
                kind: "aws",
                _ec2: ec2,
                _gce: None,
            },
            Self {
                sandbox: gcp,
                kind: "gcp",
                _ec2: None,
                _gce: gce,
            },
        ]
    }

    fn run(&self, arguments: &(impl CommandLine + ?Sized)) -> Run {
        let mut words = arguments.words();
        let region = match (self.kind, words[0].as_str()) {
            ("aws", "list" | "terminate") => "-r us-east-1",
            ("gcp", "list" | "terminate") => "-r us-central1",
            _ => "",
        };
        words.extend(format!("-p {} {region}", self.kind).words());
        self.sandbox.run(&words)
    }

    fn create(&self, name: &str, labels: &[&str]) -> Run {
        let mut arguments = vec!["create", name, "--wait", "none", "-q"];
        for label in labels {
            arguments.extend(["-l", label]);
        }
        self.run(&arguments)
    }

    /// The names of the VMs that are selected.
    fn names(&self, selectors: &[&str]) -> Vec<String> {
        let mut arguments = vec!["list", "-o", "name"];
        for selector in selectors {
            arguments.extend(["-l", selector]);
        }
        let run = self.run(&arguments).expect(0);
        run.stdout.lines().map(str::to_owned).collect()
    }
}

#[test]
fn value_with_comma_is_selected_and_terminated_by_the_same_text() {
    let [mock, aws, _] = Cloud::all();
    for cloud in [mock, aws] {
        cloud.create("web-1", &["Roles=app,web"]).expect(0);
        cloud.create("web-2", &["Roles=app"]).expect(0);
        assert_eq!(cloud.names(&["Roles=app,web"]), ["web-1"]);
        assert_eq!(cloud.names(&["Roles=\"app,web\""]), ["web-1"]);
        let run = cloud.run("terminate -l Roles=app,web -y -o name").expect(0);
        assert_eq!(run.stdout, "web-1\n");
        let again = cloud.run("terminate -l Roles=app,web -y --wait").expect(0);
        assert!(!again.stdout.contains("web-2"));
        assert_eq!(cloud.names(&["Roles=app"]), ["web-2"]);
    }
}

#[test]
fn ambiguous_comma_in_a_selector_is_refused() {
    let cloud = Cloud::mock();
    cloud.create("both", &["Roles=app", "web=yes"]).expect(0);
    for run in [
        cloud.run("terminate -l Roles=app,web -y"),
        cloud.run("list -l Roles=app,web"),
        cloud.run("list -l Roles=app,web -o jsonl"),
    ] {
        let run = run.expect(2);
        run.expect_in_stderr("Roles=\"app,web\"");
        run.expect_in_stderr("-l Roles=app -l web");
    }
    assert_eq!(cloud.names(&["Roles=\"app,web\""]), Vec::<String>::new());
    assert_eq!(cloud.names(&["Roles=app", "web"]), ["both"]);
    cloud.create("one", &["Roles=app,web"]).expect(0);
    cloud.run("terminate -l Roles=app,web -y").expect(2);
    assert_eq!(cloud.names(&[]), ["both", "one"]);
    // Of "not" both readings would select more than one of them does.
    for verb in [&["list"][..], &["terminate", "-y"]] {
        let run = cloud.run(&[verb, &["-l", "Roles!=app,web"]].concat()).expect(2);
        run.expect_in_stderr("Roles!=\"app,web\"");
    }
}

#[test]
fn selectors_of_kubectl_are_understood() {
    let cloud = Cloud::mock();
    cloud.create("a", &["env=ci", "team=web"]).expect(0);
    cloud.create("b", &["env=dev", "team=web", "gpu="]).expect(0);
    cloud.create("c", &["env=prod,eu"]).expect(0);
    for (selector, names) in [
        ("env=ci,team=web", "a"),
        ("env==ci, team = web", "a"),
        ("env!=ci", "b c"),
        ("gpu", "b"),
        ("!gpu,env", "a c"),
        ("env in (ci, dev)", "a b"),
        ("env in (ci,\"prod,eu\")", "a c"),
        ("env notin (ci,dev),env", "c"),
        ("team=web,env in (dev,prod)", "b"),
        ("gpu=", "b"),
        ("gpu=\"\"", "b"),
        ("\"env\"=\"ci\"", "a"),
    ] {
        assert_eq!(cloud.names(&[selector]).join(" "), names, "{selector}");
    }
}

#[test]
fn label_that_could_be_two_is_refused_with_both_spellings() {
    for cloud in Cloud::all() {
        for (label, one, other) in [
            ("a=1,b=2", "-l 'a=1' -l 'b=2'", "-l 'a=\"1,b=2\"'"),
            ("k=\"v\"", "-l 'k=v'", "-l 'k=\"\\\"v\\\"\"'"),
            ("k= v", "-l 'k=v'", "-l 'k=\" v\"'"),
            ("k==v", "-l 'k=v'", "-l 'k=\"=v\"'"),
            ("k!=v", "-l '\"k!\"=v'", "label"),
            ("x,k=v", "-l '\"x,k\"=v'", "label"),
            ("k=a,!b", "-l 'k=\"a,!b\"'", "label"),
        ] {
            let run = cloud.create("web-1", &[label]).expect(2);
            run.expect_in_stderr(one).expect_in_stderr(other);
        }
        assert_eq!(cloud.names(&[]), Vec::<String>::new());
    }
    let cloud = Cloud::mock();
    let run = cloud.create("web-1", &["a=\"1,b=2\""]).expect(0);
    assert!(
        run.stderr.is_empty() || run.stderr.contains("a=1,b=2"),
        "{}",
        run.stderr
    );
    assert_eq!(cloud.names(&["a=\"1,b=2\""]), ["web-1"]);
    assert_eq!(cloud.names(&["a=1,b=2"]), Vec::<String>::new());
}

#[test]
fn key_that_is_given_twice_is_refused() {
    for cloud in Cloud::all() {
        let run = cloud.create("web-1", &["stage=ci", "stage=prod"]).expect(2);
        run.expect_in_stderr("\"stage\" is given twice");
        let run = cloud.run("create web-1 --native k=a --native k=b").expect(2);
        run.expect_in_stderr("\"k\" is given twice");
    }
    let cloud = Cloud::mock();
    for (file, text) in [
        (
            "vm.toml",
            "name = \"web-1\"\n[label]\nstage = \"ci\"\nstage = \"prod\"\n",
        ),
        ("vm.yaml", "name: web-1\nlabel:\n  stage: ci\n  stage: prod\n"),
        (
            "vm.json",
            "{\"name\": \"web-1\",\n \"label\": {\"stage\": \"ci\",\n \"stage\": \"prod\"}}\n",
        ),
        (
            "two.yaml",
            "vm:\n- name: a\n- name: b\n  label: {stage: ci, stage: prod}\n",
        ),
        ("native.yaml", "name: web-1\nnative:\n  stage: ci\n  stage: prod\n"),
        ("native.json", "{\"native\": {\"a\": {\"stage\": 1, \"stage\": 2}}}"),
        ("keys.yaml", "image: debian-12\nimage: debian-13\n# stage\n"),
    ] {
        let path = cloud.sandbox.write(file, text);
        let run = cloud.run(&["create", "-f", &path, "--dry-run"]).expect(2);
        let key = if file == "keys.yaml" { "image" } else { "stage" };
        run.expect_in_stderr(key).expect_in_stderr(file);
    }
}

#[test]
fn selectors_that_nothing_can_fit_are_refused() {
    let cloud = Cloud::mock();
    for selectors in [
        &["-l", "stage=ci", "-l", "stage=prod"][..],
        &["-l", "stage=ci,stage=prod"],
        &["-l", "stage,!stage"],
        &["-l", "stage=ci,stage!=ci"],
        &["-l", "stage in (a,b)", "-l", "stage notin (a,b)"],
    ] {
        for verb in [&["list"][..], &["terminate", "-y"]] {
            let run = cloud.run(&[verb, selectors].concat()).expect(2);
            run.expect_in_stderr("stage");
        }
    }
}

#[test]
fn labels_of_cloudctl_are_refused_as_selectors_with_what_to_use() {
    for cloud in Cloud::all() {
        cloud.create("web-1", &["env=ci"]).expect(0);
        for (selector, instead) in [
            ("cloudctl-managed=true", "--managed"),
            ("!cloudctl-managed", "--managed"),
            ("env=ci,cloudctl-managed=true", "--managed"),
            ("cloudctl-name=web-1", "describe NAME"),
            ("cloudctl-ttl", "--expired"),
            ("cloudctl-spec!=x", "label of your own"),
            ("cloudctl-members in (a,b)", "NAME"),
        ] {
            for verb in [&["list"][..], &["terminate", "-y"]] {
                let run = cloud.run(&[verb, &["-l", selector]].concat()).expect(2);
                assert!(run.stderr.contains(instead), "{selector}: {}", run.stderr);
            }
        }
        for arguments in [
            &["list", "--filter", "label.cloudctl-managed=true"][..],
            &["list", "--sort", "label.cloudctl-name"],
            &["list", "--cost", "cloudctl-name"],
        ] {
            cloud.run(arguments).expect(2);
        }
        assert_eq!(cloud.names(&["env=ci"]), ["web-1"]);
    }
}

#[test]
fn label_that_repeats_the_name_is_selected() {
    let [_, aws, _] = Cloud::all();
    aws.create("web-1", &["Name=web-1"]).expect(0);
    aws.create("web-2", &["Name=front"]).expect(0);
    assert_eq!(aws.names(&["Name=web-1"]), ["web-1"]);
    assert_eq!(aws.names(&["Name=front"]), ["web-2"]);
    assert_eq!(aws.names(&["Name"]), ["web-1", "web-2"]);
}

/// A small generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's constants for 64 bits.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn text(&mut self, parts: &[&str], most: usize) -> String {
        (0..self.below(most + 1))
            .map(|_| parts[self.below(parts.len())])
            .collect()
    }
}

/// What values and keys are put together from: all that has a meaning in selectors, and what has none.
const PARTS: [&str; 28] = [
    "a", "b", "web", "1", ",", ", ", ",", " ", "=", "==", "!=", "!", "\"", "'", "\\", "(", ")", " in (", " notin (",
    "ä", "🙂", "<", "~", ":", "/", "*", "-", "in",
];

#[test]
fn generated_labels_that_are_taken_select_exactly_their_vms() {
    let mut numbers = Numbers(12);
    for cloud in Cloud::all() {
        let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let (mut refused, mut vm) = (0, 0);
        while accepted.len() < 36 && vm < 12 {
            let name = format!("vm-{vm}");
            vm += 1;
            // A label that is refused must not keep the others of its VM from being tried.
            let mut labels: BTreeMap<String, String> = BTreeMap::new();
            while labels.len() < 8 {
                let key = format!("k{}{}", numbers.below(4), numbers.text(&PARTS, 1));
                let value = numbers.text(if cloud.kind == "gcp" { &PARTS[..5] } else { &PARTS }, 5);
                let text = format!("{key}={value}");
                if cloud.run(&["create", &name, "--dry-run", "-l", &text]).code == 0 {
                    labels.entry(key).or_insert(text);
                } else {
                    refused += 1;
                }
                if cloud.kind == "gcp" && refused > 60 && !labels.is_empty() {
                    break;
                }
            }
            let texts: Vec<&str> = labels.values().map(String::as_str).collect();
            cloud.create(&name, &texts).expect(0);
            for text in labels.into_values() {
                accepted.entry(text).or_default().push(name.clone());
            }
        }
        assert!(refused > 0 && accepted.len() >= 12, "{} labels", accepted.len());
        for (text, names) in &accepted {
            let run = cloud.run(&["list", "-o", "json", "-l", text]).expect(0);
            let mut found: Vec<String> = run
                .items()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect();
            found.sort();
            let mut names = names.clone();
            names.sort();
            assert_eq!(found, names, "{} {text}", cloud.kind);
            for item in run.items() {
                let (key, value) = text.split_once('=').unwrap();
                if !text.contains("=\"") && !text.starts_with('"') {
                    assert_eq!(item["labels"][key], value, "{} {text}", cloud.kind);
                }
            }
        }
    }
}

#[test]
fn filter_takes_a_value_with_commas_in_quotes() {
    for cloud in Cloud::all() {
        if cloud.kind == "gcp" {
            // Its labels have no commas.
            continue;
        }
        cloud.create("web-1", &["Roles=app,web"]).expect(0);
        cloud.create("web-2", &["Roles=app"]).expect(0);
        let names = |filter: &str| cloud.run(&["list", "-o", "name", "--filter", filter]).expect(0).stdout;
        assert_eq!(names("label.Roles=\"app,web\""), "web-1\n");
        assert_eq!(names("label.Roles=\"app,web\",state!=stopped"), "web-1\n");
        assert_eq!(names("label.Roles=\"app\""), "web-2\n");
        let run = cloud.run("list --filter label.Roles=app,web").expect(2);
        run.expect_in_stderr("in quotes");
    }
}

#[test]
fn label_that_the_names_of_a_group_would_overwrite_is_refused() {
    let [_, aws, _] = Cloud::all();
    for dry in [&[][..], &["--dry-run"]] {
        let words = [&["create", "web", "--count", "2", "-l", "Name=web"], dry].concat();
        let run = aws.run(&words).expect(2);
        run.expect_in_stderr("Name=web").expect_in_stderr("web-1");
    }
    aws.run("create web --count 2 -l Name=front --wait none -q").expect(0);
    assert_eq!(aws.names(&["Name=front"]), ["web-1", "web-2"]);
    aws.create("db", &["Name=db"]).expect(0);
    assert_eq!(aws.names(&["Name=db"]), ["db"]);
}
