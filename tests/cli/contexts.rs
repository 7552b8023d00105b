//! Where a setting comes from: flag, variable, context, the cloud's own configuration, in this order. And how a context
//! is chosen.

use serde_json::Value;

use crate::support::sandbox::{Run, Sandbox};

const FILE: &str = "home/.config/cloudctl/config.toml";

fn with_contexts(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(FILE, text);
    sandbox
}

/// The region in which a VM would be made.
#[track_caller]
fn planned_region(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let all = [&["create", "x", "--dry-run", "-o", "json"], arguments].concat();
    sandbox.run(&all).expect(0).item()["region"].clone()
}

/// A row of `context show`.
#[track_caller]
fn setting(run: &Run, name: &str) -> (Value, Value) {
    let items = run.items();
    let row = items.iter().find(|item| item["setting"] == name);
    let row = row.unwrap_or_else(|| panic!("no {name} in {items:?}"));
    (row["value"].clone(), row["source"].clone())
}

#[test]
fn flag_overrides_variable_overrides_context() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_PROVIDER", "mock");
    assert_eq!(planned_region(&sandbox, &[]), "us-east-1");
    sandbox.write(
        FILE,
        "current = \"a\"\n[contexts.a]\nprovider = \"aws\"\n[contexts.a.mock]\nregion = \"eu-west-1\"\n",
    );
    assert_eq!(planned_region(&sandbox, &[]), "eu-west-1");
    sandbox.set("CLOUDCTL_REGION", "ap-south-1");
    assert_eq!(planned_region(&sandbox, &[]), "ap-south-1");
    assert_eq!(planned_region(&sandbox, &["-r", "us-east-1"]), "us-east-1");

    let show = sandbox.run("context show -o json -r us-east-1").expect(0);
    assert_eq!(setting(&show, "region"), ("us-east-1".into(), "flag --region".into()));
    assert_eq!(
        setting(&show, "providers"),
        ("mock".into(), "variable CLOUDCTL_PROVIDER".into())
    );
    assert_eq!(
        setting(&show, "mock.region"),
        (
            "eu-west-1".into(),
            "~/.config/cloudctl/config.toml:5, [contexts.a.mock]".into()
        )
    );
    assert_eq!(setting(&show, "zone"), (Value::Null, "not set".into()));
}

#[test]
fn context_overrides_the_clouds_own_configuration() {
    let mut sandbox =
        with_contexts("[contexts.a.aws]\nregion = \"eu-west-1\"\n[contexts.a.gcp]\nregion = \"europe-west1\"\n");
    sandbox.set("AWS_REGION", "us-west-2");
    sandbox.set("CLOUDSDK_COMPUTE_REGION", "us-central1");
    for (context, aws, gcp) in [
        (None, "us-west-2", "us-central1"),
        (Some("a"), "eu-west-1", "europe-west1"),
    ] {
        match context {
            Some(name) => sandbox.set("CLOUDCTL_CONTEXT", name),
            None => sandbox.unset("CLOUDCTL_CONTEXT"),
        };
        let show = sandbox.run("context show -o json").expect(0);
        assert_eq!(setting(&show, "aws: place of new VMs").0, aws);
        assert_eq!(setting(&show, "gcp: place of new VMs").0, gcp);
    }
}

#[test]
fn the_context_itself_comes_from_flag_variable_or_file() {
    let mut sandbox = with_contexts("current = \"a\"\n[contexts.a]\n[contexts.b]\n[contexts.c]\n");
    let context = |sandbox: &Sandbox, arguments: &[&str]| {
        let run = sandbox.run(&[&["context", "show", "-o", "json"], arguments].concat());
        setting(&run.expect(0), "context").0
    };
    assert_eq!(context(&sandbox, &[]), "a");
    sandbox.set("CLOUDCTL_CONTEXT", "b");
    assert_eq!(context(&sandbox, &[]), "b");
    assert_eq!(context(&sandbox, &["--context", "c"]), "c");
}

#[test]
fn the_output_format_follows_the_same_order() {
    let mut sandbox = with_contexts("current = \"a\"\n[contexts.a]\noutput = \"json\"\n");
    let list = ["list", "-p", "mock"];
    sandbox.run(&list).expect(0).json();
    sandbox.set("CLOUDCTL_OUTPUT", "csv");
    assert!(sandbox.run(&list).expect(0).stdout.starts_with("provider,"));
    assert_eq!(sandbox.run(&[&list[..], &["-o", "name"]].concat()).expect(0).stdout, "");
}

#[test]
fn provider_is_for_create_and_providers_for_the_rest() {
    let sandbox =
        with_contexts("current = \"a\"\n[contexts.a]\nprovider = \"mock\"\nproviders = [\"mock\", \"aws\"]\n");
    assert_eq!(planned_region(&sandbox, &[]), "us-east-1");
    // Of the two that are asked, one has no credentials, and says so.
    let list = sandbox.run("list -r us-east-1 -o json").expect(7);
    assert_eq!(list.error_kinds(), ["unauthenticated"]);

    // One of either kind stands for both.
    for text in ["provider = \"mock\"", "providers = [\"mock\"]"] {
        sandbox.write(FILE, &format!("current = \"a\"\n[contexts.a]\n{text}\n"));
        assert_eq!(planned_region(&sandbox, &[]), "us-east-1", "{text}");
        sandbox.run("list").expect(0);
    }
    sandbox.write(FILE, "current = \"a\"\n[contexts.a]\nproviders = [\"mock\", \"aws\"]\n");
    let run = sandbox.run("create x --dry-run").expect(2);
    run.expect_in_stderr("several providers");
    assert_eq!(planned_region(&sandbox, &["-p", "mock"]), "us-east-1");
}

#[test]
fn list_shows_every_context_and_marks_the_current_one() {
    let sandbox = with_contexts(
        "current = \"b\"\n[contexts.a]\nprovider = \"aws\"\n[contexts.b]\nproviders = [\"gcp\", \"mock\"]\n",
    );
    let items = sandbox.run("context list -o json").expect(0).items();
    assert_eq!(
        items[0],
        serde_json::json!({"name": "a", "current": false, "providers": ["aws"]})
    );
    assert_eq!(
        items[1],
        serde_json::json!({"name": "b", "current": true, "providers": ["gcp", "mock"]})
    );
    let none = Sandbox::new().run("context list").expect(0);
    none.expect_in_stderr("cloudctl help context-file");
}

#[test]
fn use_keeps_every_other_line_and_the_file_where_it_is() {
    let sandbox = Sandbox::new();
    let text = "# Mine.\ncurrent = \"a\" # by hand\n\n[contexts.a] # the first\nprovider   = \"aws\"\n\n[contexts.b]\n";
    let file = sandbox.write("dotfiles/cloudctl.toml", text);
    let link = sandbox.folder().join(FILE);
    std::fs::create_dir_all(link.parent().expect("a folder")).expect("the folder");
    std::os::unix::fs::symlink(&file, &link).expect("a link");

    sandbox.run("context use b").expect(0);
    let changed = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(changed, text.replace("current = \"a\"", "current = \"b\""));
    assert!(link.is_symlink(), "the link is a file now");

    sandbox.run("context use nope").expect(2);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), changed);
}

/// A file whose current context is gone can be mended by the command that is for it.
#[test]
fn use_replaces_a_current_context_that_is_gone() {
    let sandbox = with_contexts("current = \"gone\"\n[contexts.a]\n");
    sandbox.run("list -p mock").expect(2);
    sandbox.run("context list").expect(0);
    sandbox.run("context use a").expect(0);
    sandbox.run("list -p mock").expect(0);
}

#[test]
fn the_file_can_be_elsewhere() {
    let mut sandbox = Sandbox::new();
    sandbox.write("xdg/cloudctl/config.toml", "current = \"x\"\n[contexts.x]\n");
    let other = sandbox.write("other.toml", "current = \"o\"\n[contexts.o]\n");
    let xdg = sandbox.folder().join("xdg");
    sandbox.set("XDG_CONFIG_HOME", &xdg.to_string_lossy());
    let show = ["context", "show", "-o", "json"];
    assert_eq!(setting(&sandbox.run(&show).expect(0), "context").0, "x");
    sandbox.set("CLOUDCTL_CONFIG", &other);
    assert_eq!(setting(&sandbox.run(&show).expect(0), "context").0, "o");
}

#[test]
fn use_saves_through_a_link_to_another_file_system() {
    use std::os::unix::fs::MetadataExt;

    let sandbox = Sandbox::new();
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("another file system");
    let device = |path: &std::path::Path| std::fs::metadata(path).expect("a folder").dev();
    assert_ne!(device(elsewhere.path()), device(sandbox.folder()));
    let file = elsewhere.path().join("config.toml");
    std::fs::write(&file, "current = \"a\"\n[contexts.a]\n[contexts.b]\n").expect("the file");
    let link = sandbox.folder().join(FILE);
    std::fs::create_dir_all(link.parent().expect("a folder")).expect("the folder");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    sandbox.run("context use b").expect(0);
    assert!(
        std::fs::read_to_string(&file)
            .expect("the file")
            .starts_with("current = \"b\"")
    );
    assert!(link.is_symlink());
}

#[test]
fn flag_replaces_region_and_zone_of_variables_together() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_PROVIDER", "mock");
    for (name, value, flag, other) in [
        ("CLOUDCTL_ZONE", "us-east-1a", "-r", "eu-west-1"),
        ("CLOUDCTL_REGION", "us-east-1", "-z", "eu-west-1a"),
    ] {
        sandbox.set(name, value);
        sandbox.run(&["list", flag, other]).expect(0);
        sandbox.run(&["image", "list", flag, other]).expect(0);
        assert_eq!(planned_region(&sandbox, &[flag, other]), "eu-west-1");
        sandbox.unset(name);
    }
}

#[test]
fn lists_in_variables_are_trimmed() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_PROVIDER", " mock , ");
    sandbox.set("CLOUDCTL_REGION", "us-east-1, eu-west-1,\n");
    let show = sandbox.run("context show -o json").expect(0);
    assert_eq!(setting(&show, "region").0, "us-east-1,eu-west-1");
    sandbox.run("list").expect(0);
    sandbox.unset("CLOUDCTL_REGION");
    sandbox.set("CLOUDCTL_ZONE", "eu-west-1a\n");
    assert_eq!(planned_region(&sandbox, &[]), "eu-west-1");
    sandbox.set("CLOUDCTL_REGION", " , ");
    let run = sandbox.run("list").expect(2);
    run.expect_in_stderr("CLOUDCTL_REGION");
}

#[test]
fn show_says_where_each_value_of_the_file_stands() {
    let sandbox = with_contexts(
        "# Mine.\ncurrent = \"dev\"\n\n[contexts.dev]\nproviders = [\"mock\"]\nttl = \"8h\"\noutput = \"json\"\n\n\
         [contexts.dev.aws]\nregion = \"eu-west-1\"\n[contexts.dev.gcp]\n# The zone says the region.\nzone = \"europe-west1-b\"\n",
    );
    let show = sandbox.run("context show").expect(0);
    let file = "~/.config/cloudctl/config.toml";
    for (name, value, place) in [
        ("context", "dev", ":2"),
        ("providers", "mock", ":5, [contexts.dev]"),
        ("ttl", "8h", ":6, [contexts.dev]"),
        ("output", "json", ":7, [contexts.dev]"),
        ("aws.region", "eu-west-1", ":10, [contexts.dev.aws]"),
        ("gcp.zone", "europe-west1-b", ":13, [contexts.dev.gcp]"),
        ("aws: place of new VMs", "eu-west-1", ":10, [contexts.dev.aws]"),
        ("gcp: place of new VMs", "europe-west1-b", ":13, [contexts.dev.gcp]"),
    ] {
        assert_eq!(
            setting(&show, name),
            (value.into(), format!("{file}{place}").into()),
            "{name}"
        );
    }
    assert_eq!(
        setting(&show, "mock: place of new VMs"),
        ("us-east-1".into(), "default".into())
    );
}

#[test]
fn show_goes_on_after_an_error_of_one_cloud() {
    let mut sandbox = Sandbox::new();
    // No gcloud configuration can be called so.
    sandbox.set("CLOUDSDK_ACTIVE_CONFIG_NAME", "No Name");
    let show = sandbox.run("context show -o json").expect(7);
    assert_eq!(show.json()["errors"][0]["location"], "gcp");
    assert_eq!(show.json()["errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(setting(&show, "mock: place of new VMs").0, "us-east-1");
}
