//! Specs that `create` refuses.

use super::{check, with_vms};
use crate::support::sandbox::Sandbox;

/// 62 characters: a name, but with two more it is none.
const LONG: &str = "a234567890123456789012345678901234567890123456789012345678901x";

#[test]
fn flags_and_their_values() {
    check(
        &with_vms(),
        &[
            (2, "--bogus", "create x -p mock --bogus"),
            (2, "--regoin", "create x -p mock --regoin us-east-1"),
            (2, "azure", "create x -p azure"),
            (2, "mars-1", "create x -p mock -r mars-1"),
            (2, "\"\"", "create x -p mock -r ''"),
            (2, "mars-1a", "create x -p mock -z mars-1a"),
            (2, "huge", "create x -p mock --type huge"),
            (2, "\"\"", "create x -p mock --type ''"),
            (2, "beos", "create x -p mock --image beos"),
            (
                2,
                "does not run",
                "create x -p mock --type arm-small --image windows-2025",
            ),
            (2, "novalue", "create x -p mock -l novalue"),
            (2, "=v", "create x -p mock -l =v"),
            (2, "cloudctl-managed", "create x -p mock -l cloudctl-managed=no"),
            (2, "big", "create x -p mock --disk big"),
            (2, "10TB", "create x -p mock --disk 10TB"),
            (2, "'0'", "create x -p mock --disk 0"),
            (2, "1 GiB", "create x -p mock --disk 1"),
            (2, "99999 GiB", "create x -p mock --disk 99999"),
            (2, "gp9", "create x -p mock --disk-type gp9"),
            (2, "5 parsecs", "create x -p mock --timeout '5 parsecs'"),
            (2, "'5'", "create x -p mock --timeout 5"),
            (2, "forever", "create x -p mock --wait forever"),
            (2, "warp", "create x -p mock --native warp=9"),
            (2, "warp", "create x -p mock --native warp"),
            (2, "boot_seconds", "create x -p mock --native boot_seconds=soon"),
            (2, "nowhere", "create x -p mock --network nowhere"),
            (2, "nowhere", "create x -p mock --subnet nowhere"),
            (2, "firewall", "create x -p mock --firewall ' '"),
            (2, "identity", "create x -p mock --identity ''"),
        ],
    );
}

#[test]
fn how_long_it_lives_and_where_else_it_may_go() {
    check(
        &with_vms(),
        &[
            (2, "\"\"", "create x -p mock --ttl ''"),
            (2, "\"2\"", "create x -p mock --ttl 2"),
            (2, "\"banana\"", "create x -p mock --ttl banana"),
            (2, "\"Never\"", "create x -p mock --ttl Never"),
            (2, "\"-2h\"", "create x -p mock --ttl=-2h"),
            (2, "\"1y\"", "create x -p mock --ttl 1y"),
            (2, "\"2h\\u{1b}\"", "create x -p mock --ttl 2h\u{1b}"),
            (2, "0s", "create x -p mock --ttl 0s"),
            (2, "1500ms", "create x -p mock --ttl 1500ms"),
            (2, "99999999d", "create x -p mock --ttl 99999999d"),
            (2, "121d", "create x -p mock --ttl 121d"),
            (2, "121d", "create x -p mock --ttl 121d --dry-run"),
            (2, "--ttl", "create x -p mock --ttl"),
            (2, "--ttl", "create x -p mock --ttl 1h --ttl 2h"),
            (2, "'moon'", "create x -p mock --fallback moon"),
            (2, "'moon'", "create x -p mock --fallback zone,moon"),
            (2, "--fallback", "create x -p mock --fallback ''"),
            (2, "--fallback", "create x -p mock --fallback"),
            (
                6,
                "ttl is never, not 1h",
                "create web-1 -p mock --ttl 1h --native boot_seconds=0",
            ),
        ],
    );
}

#[test]
fn names_and_numbers() {
    check(
        &with_vms(),
        &[
            (2, "\"\"", "create '' -p mock"),
            (2, "Web_1", "create Web_1 -p mock"),
            (2, "1st", "create 1st -p mock"),
            (2, "web-", "create web- -p mock"),
            (2, "日本", "create 日本 -p mock"),
            (2, "a\\u{1b}b", "create a\u{1b}b -p mock"),
            (2, "'0'", "create x -p mock --count 0"),
            (2, "'1001'", "create x -p mock --count 1001"),
            (2, "'-1'", "create x -p mock --count=-1"),
            (2, "many", "create x -p mock --count many"),
            (2, LONG, &format!("create {LONG} -p mock --count 2")),
            (6, "web-1", "create web-1 -p mock --type large"),
        ],
    );
}

#[test]
fn contradictions() {
    check(
        &with_vms(),
        &[
            (2, "eu-west-1a", "create x -p mock -r us-east-1 -z eu-west-1a"),
            (2, "no region is given for aws", "create x -p mock -p aws"),
            (
                2,
                "exists on one provider only",
                "create x -p mock -p aws --type small -r us-east-1",
            ),
            (
                2,
                "no other provider has the machine type small",
                "create x -p mock --type small --fallback provider",
            ),
            (2, "5000 GiB", "create x -p mock --memory 5000"),
            (
                2,
                "does not have what is needed",
                "create x -p mock --type small --cpus 4",
            ),
            (2, "no region in africa", "create x -p mock -r africa"),
            (2, "\"22x\"", "create x -p mock --open 22x"),
            (2, "10.0.0.1/8", "create x -p mock --open 22/10.0.0.1/8"),
            (2, "t4:0", "create x -p mock --gpu t4:0"),
            (2, "-1", "create x -p mock --memory=-1"),
            (2, "free", "create x -p mock --max-price free"),
            (2, "--budget", "create x -p mock --budget 1 --ttl 1h"),
            (
                6,
                "large in mock/us-east-1 for 0.16",
                "create x -p mock --cpus 4 --max-price 0.1",
            ),
            (6, "less than one minute", "create x -p mock --budget 0.0001"),
            (
                2,
                "several regions are given, and a zone",
                "create x -p mock -r us-east-1 -r eu-west-1 -z us-east-1a",
            ),
            (2, "no provider", "create x"),
            (2, "no region", "create x -p aws"),
            (2, "no region", "create x -p gcp"),
            (2, "--zone", "create x -p mock -z us-east-1a -z us-east-1b"),
            (2, "two", "create one two -p mock"),
        ],
    );
}

#[test]
fn the_name_that_does_fit_is_offered() {
    assert_eq!(LONG.len(), 62);
    let sandbox = Sandbox::new();
    let run = sandbox.run("create Web_1 -p mock").expect(2);
    run.expect_in_stderr("hint: use web-1\n");
    let run = sandbox.run(&["create", LONG, "-p", "mock", "--count", "2"]).expect(2);
    run.expect_in_stderr("to 61 characters");
}
