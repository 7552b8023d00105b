//! An area means all of its regions, in every command.

use crate::create;
use crate::support::sandbox::Sandbox;

fn made(sandbox: &Sandbox) {
    create(sandbox, &["here", "-r", "europe", "-l", "env=ci"]);
    create(sandbox, &["there", "-r", "us-east-1", "-l", "env=ci"]);
}

#[test]
fn area_finds_its_vm_in_all_later_commands() {
    let mut sandbox = Sandbox::new();
    made(&sandbox);
    sandbox.set("CLOUDCTL_REGION", "europe");
    for arguments in [
        &["list", "-p", "mock", "-o", "name"][..],
        &["describe", "here", "-p", "mock", "-o", "name"],
        &["wait", "here", "-p", "mock", "-o", "name"],
        &["reboot", "here", "-p", "mock", "-o", "name"],
        &[
            "create",
            "here",
            "-p",
            "mock",
            "--native",
            "boot_seconds=0",
            "-l",
            "env=ci",
            "-o",
            "name",
        ],
        &["terminate", "-l", "env=ci", "-y", "-p", "mock", "-o", "name"],
    ] {
        let run = sandbox.run(arguments).expect(0);
        assert_eq!(run.stdout, "here\n", "{arguments:?}: {}", run.stderr);
    }
    let images = sandbox.run("image list -p mock -o json").expect(0).items();
    assert!(!images.is_empty() && images.iter().all(|image| image["region"] == "eu-west-1"));
    let gone = sandbox.run("terminate there -y -p mock").expect(3);
    gone.expect_in_stderr("no VM is called there");
}

#[test]
fn area_without_region_is_refused() {
    let sandbox = Sandbox::new();
    made(&sandbox);
    let refused = sandbox.run("list -p mock -r oceania").expect(2);
    refused.expect_in_stderr("no region in oceania");
    sandbox.run("list -p mock -r europe -z eu-west-1a").expect(0);
    sandbox.run("list -p mock -r europe -z us-east-1a").expect(2);
}
