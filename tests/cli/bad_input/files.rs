//! Files that a command line names: spec files, user data, keys.

use super::{check, with_vms};

#[test]
fn spec_files() {
    let sandbox = with_vms();
    for (name, text) in [
        ("unknown.toml", "name = \"a\"\nprovder = \"mock\"\n"),
        ("number.toml", "name = \"a\"\n\ncount = \"two\"\n"),
        ("label.toml", "name = \"a\"\n[label]\na = 1\n"),
        ("list.toml", "name = \"a\"\nlabel = [\"a=b\"]\n"),
        ("wait.toml", "wait = \"forever\"\n"),
        ("syntax.toml", "name = \"a\n"),
        ("provider.toml", "provider = \"azure\"\n"),
        ("native.toml", "[native]\nboot_secs = 1\n"),
        ("named.toml", "name = \"a\"\n"),
        ("name.toml", "name = \"Web_1\"\n"),
        ("count.toml", "name = \"a\"\ncount = 0\n"),
        ("zone.toml", "zone = \"mars-1a\"\n"),
        ("data.toml", "user-data = \"not-there.sh\"\n"),
        ("ttl.toml", "name = \"a\"\nttl = \"banana\"\n"),
        ("seconds.toml", "name = \"a\"\nttl = 7200\n"),
        ("fallback.toml", "name = \"a\"\nfallback = [\"moon\"]\n"),
        ("bare.toml", "name = \"a\"\nfallback = \"zone\"\n"),
    ] {
        sandbox.write(name, text);
    }
    check(
        &sandbox,
        &[
            (
                2,
                "unknown.toml:2:1: unknown key `provder`",
                &["create", "-f", "unknown.toml"],
            ),
            (
                2,
                "number.toml:3:9: count: ",
                &["create", "-p", "mock", "-f", "number.toml"],
            ),
            (2, "label.toml:3:5: a: ", &["create", "-p", "mock", "-f", "label.toml"]),
            (
                2,
                "list.toml:2:9: label: ",
                &["create", "-p", "mock", "-f", "list.toml"],
            ),
            (
                2,
                "wait.toml:1:8: wait: unknown variant `forever`",
                &["create", "-p", "mock", "-f", "wait.toml"],
            ),
            (2, "syntax.toml:1:", &["create", "-p", "mock", "-f", "syntax.toml"]),
            (
                2,
                "provider.toml:1:12: provider: unknown provider \"azure\"",
                &["create", "-f", "provider.toml"],
            ),
            (2, "boot_secs", &["create", "-p", "mock", "-f", "native.toml"]),
            (2, "\"b\"", &["create", "b", "-p", "mock", "-f", "named.toml"]),
            (2, "\"a\"", &["create", "", "-p", "mock", "-f", "named.toml"]),
            (2, "Web_1", &["create", "-p", "mock", "-f", "name.toml"]),
            (2, "count 0", &["create", "-p", "mock", "-f", "count.toml"]),
            (2, "mars-1a", &["create", "-p", "mock", "-f", "zone.toml"]),
            (2, "not-there.sh", &["create", "-p", "mock", "-f", "data.toml"]),
            (
                2,
                "ttl.toml: invalid duration \"banana\"",
                &["create", "-p", "mock", "-f", "ttl.toml"],
            ),
            (
                2,
                "seconds.toml:2:7: ttl: ",
                &["create", "-p", "mock", "-f", "seconds.toml"],
            ),
            (
                2,
                "fallback.toml:2:13: fallback: unknown variant `moon`",
                &["create", "-p", "mock", "-f", "fallback.toml"],
            ),
            (
                2,
                "bare.toml:2:12: fallback: ",
                &["create", "-p", "mock", "-f", "bare.toml"],
            ),
            (2, "absent.toml", &["create", "-p", "mock", "-f", "absent.toml"]),
            (2, "/dev", &["create", "-p", "mock", "-f", "/dev"]),
        ],
    );
}

#[test]
fn user_data_and_keys() {
    let sandbox = with_vms();
    sandbox.write("16k", &"x".repeat(16 * 1024 + 1));
    sandbox.write("1m", &"x".repeat(1024 * 1024 + 1));
    sandbox.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n");
    sandbox.write("text.pub", "not a key\n");
    check(
        &sandbox,
        &[
            (2, "16385", &["create", "x", "-p", "mock", "--user-data", "16k"]),
            (2, "1m", &["create", "x", "-p", "mock", "--user-data", "1m"]),
            (
                2,
                "/dev/zero",
                &["create", "x", "-p", "mock", "--user-data", "/dev/zero"],
            ),
            (2, "absent", &["create", "x", "-p", "mock", "--user-data", "absent"]),
            (2, "/dev", &["create", "x", "-p", "mock", "--user-data", "/dev"]),
            (2, "user data file", &["create", "x", "-p", "mock", "--user-data", ""]),
            (
                2,
                "id is a private key",
                &["create", "x", "-p", "mock", "--ssh-key", "id"],
            ),
            (2, "text.pub", &["create", "x", "-p", "mock", "--ssh-key", "text.pub"]),
            (
                2,
                "absent.pub",
                &["create", "x", "-p", "mock", "--ssh-key", "absent.pub"],
            ),
            (2, "ssh-key", &["create", "x", "-p", "mock", "--ssh-key", ""]),
        ],
    );
}

#[test]
fn user_data_that_fits_is_taken_from_the_standard_input() {
    let sandbox = with_vms();
    let create = ["create", "x", "-p", "mock", "--user-data", "-", "-o", "json"];
    let over = sandbox.run_with_input(&create, &"x".repeat(16 * 1024 + 1)).expect(2);
    assert!(over.stderr.contains("16385"), "{}", over.stderr);
    let most = sandbox.run_with_input(&create, &"x".repeat(16 * 1024)).expect(0);
    assert_eq!(most.item()["native"]["user_data_bytes"], 16 * 1024);
}
