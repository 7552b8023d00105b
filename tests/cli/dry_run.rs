//! `create --dry-run` with names that are taken.

use crate::support::sandbox::Sandbox;
use crate::{create, names};

#[test]
fn dry_run_leaves_out_existing_vms() {
    let sandbox = Sandbox::new();
    let group = ["create", "web", "-p", "mock", "--native", "boot_seconds=0"];
    sandbox.run(&[&group[..], &["--count", "2"]].concat()).expect(0);
    let plan = [&group[..], &["--dry-run"]].concat();
    let grown = sandbox
        .run(&[&plan[..], &["--count", "3", "-o", "name"]].concat())
        .expect(0);
    assert_eq!(grown.stdout, "web-3\n");
    grown.expect_in_stderr("web-1 exists already with this spec");
    let same = sandbox
        .run(&[&plan[..], &["--count", "2", "-o", "json"]].concat())
        .expect(0);
    assert_eq!(same.items().len(), 0);
    assert_eq!(names(&sandbox), ["web-1", "web-2"]);
}

#[test]
fn dry_run_refuses_what_a_run_refuses() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web"]);
    let plan = ["create", "web", "-p", "mock", "--native", "boot_seconds=0", "--dry-run"];
    let other = [&plan[..], &["--type", "large"]].concat();
    let refused = sandbox.run(&other).expect(6);
    refused.expect_in_stderr("type is small, not large");
    let dear = [&plan[..], &["--max-price", "0.001"]].concat();
    sandbox.run(&dear).expect(6);
}
