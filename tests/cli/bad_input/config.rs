//! Mistakes in the configuration file and in variables.

use crate::support::sandbox::Sandbox;

use super::{check, with_vms};

const FILE: &str = "home/.config/cloudctl/config.toml";

#[test]
fn configuration_files() {
    let sandbox = with_vms();
    for (text, named) in [
        ("current = \n", "config.toml:1: current: "),
        ("curent = \"a\"\n", "config.toml:1: unknown field `curent`"),
        (
            "[contexts.a]\n\nprovder = \"aws\"\n",
            "config.toml:3: unknown field `provder`",
        ),
        (
            "[contexts.a]\nprovider = \"azure\"\n",
            "config.toml:2: provider: unknown provider \"azure\"",
        ),
        (
            "[contexts.a]\nproviders = [\"azure\"]\n",
            "config.toml:2: providers: unknown provider \"azure\"",
        ),
        (
            "[contexts.a]\nproviders = \"aws\"\n",
            "config.toml:2: providers: invalid type",
        ),
        (
            "[contexts.a.aws]\nexpect_acount = \"1\"\n",
            "config.toml:2: unknown field `expect_acount`",
        ),
        (
            "[contexts.a.aws]\nexpect_project = \"1\"\n",
            "config.toml:2: unknown field `expect_project`",
        ),
        (
            "[contexts.a.gcp]\nexpect_account = \"1\"\n",
            "config.toml:2: unknown field `expect_account`",
        ),
        (
            "[contexts.a.aws]\nexpect_account = 123456789012\n",
            "config.toml:2: expect_account: invalid type",
        ),
        ("[contexts.a]\nttl = 8\n", "config.toml:2: ttl: invalid type"),
        ("[contexts.a.aws]\nttl = \"8h\"\n", "config.toml:2: unknown field `ttl`"),
        (
            "current = \"b\"\n[contexts.a]\n",
            "config.toml:1: unknown context \"b\"",
        ),
    ] {
        sandbox.write(FILE, text);
        check(&sandbox, &[(2, named, "list -p mock")]);
    }
    sandbox.write(FILE, "current = \"a\"\n[contexts.a]\noutput = \"ascii\"\n");
    let run = sandbox.run("list -p mock");
    let faults = super::faults_of(
        &run,
        2,
        "config.toml:3, [contexts.a]: unknown output format \"ascii\"",
        false,
    );
    assert!(faults.is_empty(), "{faults:?}\n{run:#?}");
    // A format on the command line needs none of the context's.
    sandbox.run("list -p mock -o name").expect(0);
}

#[test]
fn contexts() {
    let sandbox = with_vms();
    check(
        &sandbox,
        &[
            (2, "nope", "list -p mock --context nope"),
            (2, "nope", "context use nope"),
        ],
    );
    sandbox.write(FILE, "current = \"a\"\n[contexts.a.mock]\nregion = \"mars-1\"\n");
    check(
        &sandbox,
        &[(2, "nope", "context use nope"), (2, "mars-1", "create x -p mock")],
    );
}

#[test]
fn how_long_new_vms_live() {
    let mut sandbox = with_vms();
    sandbox.write(FILE, "current = \"a\"\n[contexts.a]\nttl = \"soon\"\n");
    let create = "create x -p mock";
    check(
        &sandbox,
        &[(2, "config.toml:3, [contexts.a]: invalid duration \"soon\"", create)],
    );
    // Who says something else needs none of the context's, and who makes nothing none at all.
    sandbox.run("create y -p mock --ttl 1h --dry-run").expect(0);
    sandbox.run("list -p mock").expect(0);
    for (value, named) in [
        ("banana", "variable CLOUDCTL_TTL: invalid duration \"banana\""),
        ("0s", "variable CLOUDCTL_TTL: a TTL of 0s"),
        ("2", "variable CLOUDCTL_TTL: invalid duration \"2\""),
    ] {
        sandbox.set("CLOUDCTL_TTL", value);
        check(&sandbox, &[(2, named, create)]);
    }
}

#[test]
fn variables() {
    for (name, value, named) in [
        (
            "CLOUDCTL_PROVIDER",
            "azure",
            "CLOUDCTL_PROVIDER: unknown provider \"azure\"",
        ),
        (
            "CLOUDCTL_OUTPUT",
            "ascii",
            "variable CLOUDCTL_OUTPUT: unknown output format \"ascii\"",
        ),
        (
            "CLOUDCTL_CONTEXT",
            "nope",
            "variable CLOUDCTL_CONTEXT: unknown context \"nope\"",
        ),
        ("CLOUDCTL_REGION", "mars-1", "mars-1"),
        ("CLOUDCTL_ZONE", "mars-1a", "mars-1a"),
        // The file that pins the account must not be missed.
        ("CLOUDCTL_CONFIG", "/absent/config.toml", "/absent/config.toml"),
        ("CLOUDCTL_CONFIG", "/dev", "/dev"),
        ("CLOUDCTL_MOCK", "bogus", "bogus"),
    ] {
        let mut sandbox = with_vms();
        sandbox.set(name, value);
        let arguments: &[&str] = if name == "CLOUDCTL_PROVIDER" {
            &["list"]
        } else {
            &["list", "-p", "mock"]
        };
        let run = sandbox.run(arguments).expect(2);
        let faults = super::faults_of(&run, 2, named, false);
        assert!(faults.is_empty(), "{name}={value}: {faults:?}\n{run:#?}");
    }
}

#[test]
fn log_level_that_is_none_is_refused() {
    let mut sandbox = Sandbox::new();
    sandbox.set("CLOUDCTL_LOG", "verbose");
    let run = sandbox.run("list -p mock").expect(2);
    run.expect_in_stderr("CLOUDCTL_LOG");
    run.expect_in_stderr("off, error, warn");
    sandbox.set("CLOUDCTL_LOG", " debug ");
    sandbox.run("list -p mock").expect(0);
}
