//! What a new user tried first and what was not there: each is answered with the right word, or now does what was meant.

use serde_json::json;

use crate::support::sandbox::Sandbox;
use crate::{create, names};

/// Command lines of other tools, or with a mistake: what is typed, the message and the hint.
const ANSWERS: &[(&str, &str, &str)] = &[
    // Commands.
    (
        "cost web-1",
        "there is no command \"cost\"",
        "use `cloudctl price web-1`",
    ),
    ("cost", "there is no command \"cost\"", "use `cloudctl list --cost`"),
    (
        "apply -f x.yaml",
        "there is no command \"apply\"",
        "use `cloudctl create -f x.yaml`",
    ),
    (
        "plan -f x.yaml",
        "there is no command \"plan\"",
        "use `cloudctl create -f x.yaml --dry-run`",
    ),
    (
        "diff",
        "there is no command \"diff\"",
        "use `cloudctl create -f FILE --dry-run`",
    ),
    (
        "tag web-1 a=b",
        "there is no command \"tag\"",
        "use `cloudctl label web-1 KEY=VALUE`",
    ),
    (
        "exec web-1 -- ls",
        "there is no command \"exec\"",
        "log in with `cloudctl ssh web-1`, and run a command with `cloudctl ssh web-1 -- COMMAND`",
    ),
    (
        "scp app.conf web-1:/etc/",
        "there is no command \"scp\"",
        "use `cloudctl cp`",
    ),
    (
        "auth login",
        "there is no command \"auth\"",
        "cloudctl uses the credentials of the clouds' own tools",
    ),
    (
        "login",
        "there is no command \"login\"",
        "cloudctl uses the credentials of the clouds' own tools",
    ),
    (
        "scale web 5",
        "there is no command \"scale\"",
        "use `cloudctl create web --count N`",
    ),
    (
        "resize web-1",
        "there is no command \"resize\"",
        "a VM keeps its machine type",
    ),
    ("get vms", "there is no command \"get\"", "use `cloudctl list`"),
    (
        "get instances -p mock",
        "there is no command \"get\"",
        "use `cloudctl list`",
    ),
    (
        "get web-1",
        "there is no command \"get\"",
        "use `cloudctl describe web-1`",
    ),
    ("zones", "there is no command \"zones\"", "there is no list of zones"),
    (
        "context get",
        "`cloudctl context` has no command \"get\"",
        "use `cloudctl context show`",
    ),
    (
        "context set dev",
        "`cloudctl context` has no command \"set\"",
        "use `cloudctl context use dev`",
    ),
    (
        "image show",
        "`cloudctl image` has no command \"show\"",
        "use `cloudctl image list`",
    ),
    (
        "vm create web-1",
        "there is no command \"vm\"",
        "begin with the verb: cloudctl create web-1",
    ),
    (
        "frobnicate",
        "there is no command \"frobnicate\"",
        "`cloudctl -h` lists the commands",
    ),
    ("-v", "`cloudctl` needs a command", "`cloudctl -h` lists the commands"),
    (
        "up -p mock",
        "`cloudctl up` needs a name",
        "name the VM: cloudctl up NAME",
    ),
    // Help.
    (
        "help creat",
        "there is no command or topic \"creat\"",
        "did you mean create?",
    ),
    ("help mok", "there is no command or topic \"mok\"", "did you mean mock?"),
    (
        "help create foo",
        "`cloudctl create` has no command \"foo\"",
        "see `cloudctl create --help`",
    ),
    (
        "help frobnicate",
        "there is no command or topic \"frobnicate\"",
        "`cloudctl -h` lists the commands, and `cloudctl help topics` the topics",
    ),
    // Flags.
    (
        "create x --gpus t4",
        "`cloudctl create` has no flag --gpus",
        "use --gpu",
    ),
    (
        "create x --disk-size 10",
        "`cloudctl create` has no flag --disk-size",
        "use --disk",
    ),
    (
        "create x --no-wait",
        "`cloudctl create` has no flag --no-wait",
        "use --wait none",
    ),
    (
        "create x --nowait",
        "`cloudctl create` has no flag --nowait",
        "use --wait none",
    ),
    (
        "stop x --nowait",
        "`cloudctl stop` has no flag --nowait",
        "leave it out: without --wait",
    ),
    (
        "stop x --async",
        "`cloudctl stop` has no flag --async",
        "leave it out: without --wait",
    ),
    (
        "create x --public-ip",
        "`cloudctl create` has no flag --public-ip",
        "leave it out: a VM has a public address",
    ),
    (
        "create --all",
        "`cloudctl create` has no flag --all",
        "-f FILE makes all VMs of a spec file",
    ),
    (
        "create x --replicas 3",
        "`cloudctl create` has no flag --replicas",
        "use --count",
    ),
    ("create x -n 3", "`cloudctl create` has no flag -n", "use --count"),
    (
        "create x --check",
        "`cloudctl create` has no flag --check",
        "use --dry-run",
    ),
    (
        "create x --validate",
        "`cloudctl create` has no flag --validate",
        "use --dry-run",
    ),
    (
        "create x -y",
        "`cloudctl create` has no flag -y",
        "leave it out: cloudctl create asks no question",
    ),
    (
        "extend x --by 1h",
        "`cloudctl extend` has no flag --by",
        "use --ttl +1h",
    ),
    (
        "extend x 1h",
        "`cloudctl extend` needs --ttl DURATION",
        "did you mean --ttl 1h? It counts from now; --ttl +1h",
    ),
    (
        "terminate -f x",
        "`cloudctl terminate` has no flag -f",
        "it takes no file: name the VMs",
    ),
    (
        "list --sort-by name",
        "`cloudctl list` has no flag --sort-by",
        "use --sort",
    ),
    (
        "list --query x",
        "`cloudctl list` has no flag --query",
        "use -o columns=a,b",
    ),
    (
        "list -A",
        "`cloudctl list` has no flag -A",
        "leave it out: without -r, all regions are meant",
    ),
    ("list -w", "`cloudctl list` has no flag -w", "use --watch"),
    (
        "list --limit 5",
        "`cloudctl list` has no flag --limit",
        "all VMs are listed",
    ),
    (
        "type list --all-regions",
        "`cloudctl type list` has no flag --all-regions",
        "`cloudctl price --cpus 4 --memory 8`",
    ),
    (
        "list --frobnicate",
        "`cloudctl list` has no flag --frobnicate",
        "see `cloudctl list --help`",
    ),
    (
        "doctor foo",
        "`cloudctl doctor` does not take the word \"foo\"",
        "see `cloudctl doctor --help`",
    ),
    (
        "wait",
        "`cloudctl wait` needs <REF>...",
        "usage: cloudctl wait [OPTIONS] [REF]...",
    ),
    // Values.
    (
        "create x --count 0",
        "invalid value '0' for '--count <N>': \"0\" is not a whole number from 1 to 1000",
        "use 1 to 1000",
    ),
    (
        "create x --cpus four",
        "invalid value 'four' for '--cpus <N>': \"four\" is not a whole number",
        "write it in digits",
    ),
    (
        "create x --disk 50.5",
        "invalid value '50.5' for '--disk <GIB>': invalid disk size",
        "give it as a whole number of GiB",
    ),
    (
        "create x --gpu 1",
        "invalid value '1' for '--gpu <KIND[:N]>': 1 is a number",
        "write it as KIND:N, such as t4:1",
    ),
    (
        "create x -p mock --ttl 0",
        "a TTL of 0 would end the VM at once",
        "pass a TTL such as 2h",
    ),
    (
        "create x -p mock --memory 8192",
        "mock/us-east-1: no machine type has 8192 GiB",
        "memory is in GiB: did you mean 8?",
    ),
    (
        "price -p mock --memory 8192",
        "no known machine type of mock has 8192 GiB",
        "memory is in GiB: did you mean 8?",
    ),
    (
        "price -p mock --cpus 64",
        "no known machine type of mock has 64 CPUs",
        "ask for less: the nearest is xlarge",
    ),
    (
        "create spec.yaml -p mock",
        "invalid name \"spec.yaml\"",
        "if it is a spec file, pass it with -f: cloudctl create -f spec.yaml",
    ),
    (
        "create x -p mock --tags Key=a,Value=b",
        "invalid label \"Key=a,Value=b\"",
        "write it as key=value: -l a=b",
    ),
    (
        "create x -p mock -r eu",
        "the mock cloud has no region \"eu\"",
        "did you mean europe?",
    ),
    (
        "create x -p mock -r Eurpe",
        "the mock cloud has no region \"Eurpe\"",
        "did you mean europe?",
    ),
    (
        "type list -p mock -r all",
        "the mock cloud has no region \"all\"",
        "leave -r out, or name several",
    ),
    (
        "price -r all",
        "no region \"all\" of aws or gcp is known",
        "leave -r out, or name several",
    ),
    (
        "create x -p mock -r europe -z us-east-1a",
        "zone us-east-1a is in us-east-1, which is not in europe",
        "pass one of the two",
    ),
    (
        "list -p mock -r europe -z us-east-1a",
        "mock: zone us-east-1a is in us-east-1",
        "pass one of the two",
    ),
    (
        "list -p mock -o jsonpath={.items}",
        "there is no output format jsonpath",
        "use -o value=FIELD for one field",
    ),
    (
        "list -p mock -o value=",
        "value= needs a field",
        "name one, such as -o value=public_ip",
    ),
    (
        "list --state running",
        "`cloudctl list` has no flag --state",
        "use --filter: cloudctl list --filter state=running",
    ),
    (
        "create x --gpus 1",
        "`cloudctl create` has no flag --gpus",
        "use --gpu KIND:N, such as --gpu t4:1",
    ),
    (
        "label web-1 --remove role",
        "`cloudctl label` has no flag --remove",
        "write KEY- to remove a label",
    ),
    (
        "list -p mock -o name,state",
        "unknown output format \"name,state\"",
        "did you mean -o columns=name,state?",
    ),
];

#[test]
fn other_words_and_mistakes_are_answered() {
    let sandbox = Sandbox::new();
    for (line, message, hint) in ANSWERS {
        let run = sandbox.run(*line).expect(2);
        assert_eq!(run.stdout, "", "{line}");
        run.expect_in_stderr(format!("error: {message}"))
            .expect_in_stderr(format!("hint: {hint}"));
        for foreign in ["unexpected argument", "unrecognized", "invalid digit", "..=", "u32"] {
            run.expect_not_in_stderr(foreign);
        }
    }
    assert_eq!(names(&sandbox), Vec::<String>::new());
}

#[test]
fn vm_may_be_called_help() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once().set("CLOUDCTL_PROVIDER", "mock");
    sandbox.run("create help").expect(0);
    sandbox.run("stop help --wait").expect(0);
    assert_eq!(sandbox.run("list help -o value=state").expect(0).stdout, "stopped\n");
}

#[test]
fn only_the_command_up_needs_a_name() {
    let sandbox = Sandbox::new();
    sandbox
        .run("up -p mock")
        .expect(2)
        .expect_in_stderr("`cloudctl up` needs a name");
    for line in [
        "create -p mock -l up=1 --type small",
        "create -p mock -l a=up --type small",
    ] {
        sandbox.run(line).expect(0);
    }
    let unknown = sandbox.run("create -p mock --image up").expect(2);
    unknown.expect_not_in_stderr("needs a name");
}

#[test]
fn region_that_no_cloud_has_is_refused_beside_others() {
    let sandbox = Sandbox::new();
    for regions in ["us-east-1,mars", "'us-east-1, mars'", "us-east-1 -r mars"] {
        let refused = sandbox
            .run(&format!("create x -p mock -r {regions} --dry-run"))
            .expect(2);
        refused.expect_in_stderr("mars");
    }
    sandbox
        .run("create x -p mock -r 'us-east-1, eu-west-1' --dry-run")
        .expect(0);
}

#[test]
fn help_is_found_wherever_it_is_typed() {
    let sandbox = Sandbox::new();
    for (typed, meant) in [
        ("--help create", "create --help"),
        ("-h list", "list -h"),
        ("type help", "type --help"),
        ("image help", "image --help"),
        ("--help", "--help"),
    ] {
        let expected = sandbox.run(meant).expect(0).stdout;
        assert_eq!(sandbox.run(typed).expect(0).stdout, expected, "{typed}");
    }
}

#[test]
fn topics_fit_a_screen_in_width() {
    let sandbox = Sandbox::new();
    let topics = sandbox.run("help topics").expect(0).stdout;
    let named: Vec<&str> = topics
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert_eq!(named.len(), 7);
    for topic in named {
        for line in sandbox.run(&["help", topic]).expect(0).stdout.lines() {
            // The names of settings are whole.
            let is_name = topic == "settings" && line.starts_with("  ") && !line.starts_with("   ");
            assert!(is_name || line.chars().count() <= 80, "{topic}: {line}");
        }
    }
    let mock = sandbox.run("help mock").expect(0).stdout;
    for fault in ["capacity", "boot-failure", "CLOUDCTL_MOCK_STATE"] {
        assert!(mock.contains(fault), "{fault}");
    }
}

#[test]
fn lists_are_found_as_ls() {
    let sandbox = Sandbox::new();
    for noun in ["image", "region", "type"] {
        let listed = sandbox.run(&format!("{noun} list -p mock")).expect(0).stdout;
        assert_eq!(sandbox.run(&format!("{noun} ls -p mock")).expect(0).stdout, listed);
    }
    sandbox.run("context ls").expect(0);
}

#[test]
fn ttl_with_a_plus_adds_to_what_is_planned() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "--ttl", "2h"]);
    let hours = |item: serde_json::Value| {
        let time = |field: &str| item[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        time("expires_at").duration_since(time("created_at")).as_hours()
    };
    for expected in [3, 4] {
        let extended = sandbox.run("extend web-1 -p mock --ttl +1h -o json").expect(0);
        assert_eq!(hours(extended.item()), expected);
    }
    let sooner = sandbox.run("extend web-1 -p mock --ttl 1h").expect(6);
    sooner
        .expect_in_stderr("would be terminated earlier than now planned")
        .expect_in_stderr("hint: --ttl counts from now, and 3h59m")
        .expect_in_stderr("pass --ttl +1h to add to them");
    create(&sandbox, &["endless"]);
    let without = sandbox.run("extend endless -p mock --ttl +1h").expect(6);
    without
        .expect_in_stderr("has no TTL to which time could be added")
        .expect_in_stderr("hint: --ttl 1h lets it live 1h from now");
}

#[test]
fn cost_until_the_ttl_is_over_is_shown() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "--ttl", "2h"]);
    create(&sandbox, &["endless"]);
    let price = |name: &str| sandbox.run(&format!("price {name} -p mock -o json")).expect(0).item();
    assert_eq!(price("web-1")["price_usd_for_ttl"], json!(0.04));
    assert!(price("web-1")["expires_at"].is_string());
    assert_eq!(price("endless")["price_usd_for_ttl"], json!(null));
    let table = sandbox.run("price web-1 -p mock").expect(0).stdout;
    assert!(table.contains("EXPIRES  USD/TTL"), "{table}");
    let page = sandbox.run("describe web-1 -p mock").expect(0).stdout;
    assert!(
        page.contains("USD/TTL         0.04 from its creation until it expires"),
        "{page}"
    );
}

#[test]
fn values_that_people_write_are_accepted() {
    let sandbox = Sandbox::new();
    let planned = |arguments: &str| {
        let line = format!("create x -p mock --dry-run -o json {arguments}");
        sandbox.run(&line).expect(0).item()
    };
    for (arguments, field, value) in [
        ("--disk 100GiB", "disk_gib", json!(100)),
        ("--disk 100GB", "disk_gib", json!(100)),
        ("--disk 1TiB", "disk_gib", json!(1024)),
        ("--memory 8192MiB", "memory_gib", json!(16.0)),
        ("--arch amd64", "architecture", json!("x86_64")),
        ("--arch aarch64", "architecture", json!("arm64")),
        ("-r Europe", "region", json!("eu-west-1")),
        ("-r europe,us", "region", json!("eu-west-1")),
        ("-r us-east-1,eu-west-1", "region", json!("us-east-1")),
    ] {
        assert_eq!(planned(arguments)[field], value, "{arguments}");
    }
    for (line, field, value) in [
        ("disk: 100GiB", "disk_gib", json!(100)),
        ("cpus: \"2\"", "cpus", json!(2)),
        ("open: 443", "open", json!(["443"])),
        ("open: 443/10.0.0.0/8", "open", json!(["443/10.0.0.0/8"])),
        ("region: eu-west-1,us-east-1", "region", json!("eu-west-1")),
    ] {
        let run = sandbox.run_with_input("create -f - -p mock --dry-run -o json", &format!("name: x\n{line}\n"));
        assert_eq!(run.expect(0).item()[field], value, "{line}");
    }
}

#[test]
fn mistakes_in_a_spec_name_the_key_alike_in_every_format() {
    let sandbox = Sandbox::new();
    for (spec, message) in [
        (
            "disk: x",
            "1:7: disk: invalid disk size \"x\"; give it as a whole number of GiB",
        ),
        ("vm:\n- name: a\n  disk: x", "3:9: disk: invalid disk size \"x\""),
        ("{\"disk\": \"x\"}", "disk: invalid disk size \"x\""),
        ("disk = \"x\"", "disk: invalid disk size \"x\""),
        ("cpus: four", "cpus: \"four\" is not a whole number of 1 or more"),
        ("count: many", "count: \"many\" is not a whole number"),
        ("fallback: zone", "expected a list in brackets"),
        ("spot: perhaps", "expected true or false"),
        ("vm:\n  - name: a\n     cpus: 2", "this is not YAML"),
        ("{\"name\": \"a\",}", "this is not JSON"),
    ] {
        let run = sandbox.run_with_input("create -f - -p mock --dry-run", spec).expect(2);
        run.expect_in_stderr("error: standard input:").expect_in_stderr(message);
        for foreign in ["invalid digit", "nonzero", "sequence", "vm[0]"] {
            run.expect_not_in_stderr(foreign);
        }
    }
    let indentation = sandbox
        .run_with_input("create -f - -p mock", "vm:\n  - name: a\n     cpus: 2")
        .expect(2);
    indentation.expect_in_stderr("hint: check the indentation");
}

#[test]
fn dry_run_of_a_spec_shows_what_is_requested() {
    let sandbox = Sandbox::new();
    let setup = sandbox.write("setup.sh", "#!/bin/sh\n");
    let spec = format!(
        "vm:\n- {{name: web-1, cpus: 2, open: [443], user-data: {setup}, label: {{team: blue}}}}\n- {{name: db-1, memory: 4}}\n"
    );
    let plan = |format: &str| {
        let line = format!("create -f - -p mock --dry-run -o {format}");
        sandbox.run_with_input(&line, &spec).expect(0)
    };
    plan("table")
        .expect_in_stderr("web-1: the cheapest x86_64 that fits is medium")
        .expect_in_stderr("db-1: the cheapest x86_64 that fits is medium")
        .expect_in_stderr("web-1: opens 443; user data of 10 bytes; labels team=blue\n")
        .expect_not_in_stderr("db-1: opens");
    let wide = plan("wide").stdout;
    assert!(wide.contains("OPEN") && wide.contains("team=blue"), "{wide}");
    let item = &plan("json").items()[0];
    assert_eq!(item["open"], json!(["443"]));
    assert_eq!(item["user_data_bytes"], json!(10));
    assert_eq!(item["labels"], json!({"team": "blue"}));
}

#[test]
fn place_after_a_fallback_is_where_it_went() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_MOCK", "capacity@us-east-1a");
    let run = sandbox
        .run("create web-1 -p mock -z us-east-1a --fallback zone --cpus 2 -o json")
        .expect(0);
    let zone = run.item()["zone"].as_str().unwrap().to_owned();
    assert_ne!(zone, "us-east-1a");
    run.expect_in_stderr(format!("that fits is medium in mock/{zone} at"));
}

#[test]
fn exhausted_fallback_suggests_more_regions() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_MOCK", "capacity");
    let run = sandbox
        .run("create web-1 -p mock -r us-east-1 --fallback zone,type,region")
        .expect(5);
    run.expect_in_stderr("hint: name more regions (-r can be repeated)");
}

#[test]
fn protection_and_ttl_together_are_explained() {
    let sandbox = Sandbox::new();
    let run = sandbox
        .run("create db-1 -p mock --protect --ttl 1h --dry-run")
        .expect(0);
    run.expect_in_stderr("db-1: --protect refuses that anybody terminates it; it does not stop its TTL of 1h");
    let alone = sandbox.run("create db-1 -p mock --protect --dry-run").expect(0);
    alone.expect_not_in_stderr("its TTL");
}

#[test]
fn labels_and_short_words_are_columns() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-l", "team=blue"]);
    for (format, printed) in [
        ("columns=name,label.team", "NAME   LABEL.TEAM\nweb-1  blue\n"),
        ("value=label.team", "blue\n"),
        ("columns=name,label.none", "NAME   LABEL.NONE\nweb-1  -\n"),
    ] {
        let run = sandbox.run(&["list", "-p", "mock", "-o", format]).expect(0);
        assert_eq!(run.stdout, printed, "{format}");
    }
    sandbox.run("list -p mock -o value=label.none").expect(3);
    let address = sandbox.run("list -p mock -o value=ip").expect(0).stdout;
    assert_eq!(address, sandbox.run("list -p mock -o value=public_ip").expect(0).stdout);
}
