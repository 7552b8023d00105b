//! Files that a command line names: spec files, user data, keys.

use super::{check, with_vms};

#[test]
fn spec_files() {
    let sandbox = with_vms();
    for (name, text) in [
        ("unknown.toml", "name = \"a\"\nprovder = \"mock\"\n"),
        ("number.toml", "name = \"a\"\n\ncount = \"two\"\n"),
        ("label.toml", "name = \"a\"\n[label]\na = 1\n"),
        ("list.toml", "name = \"a\"\nlabel = [\"a\"]\n"),
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
            (2, "unknown.toml:2:1: unknown key `provder`", "create -f unknown.toml"),
            (2, "number.toml:3:9: count: ", "create -p mock -f number.toml"),
            (2, "label.toml:3:5: a: ", "create -p mock -f label.toml"),
            (2, "list.toml:2:9: label: ", "create -p mock -f list.toml"),
            (
                2,
                "wait.toml:1:8: wait: unknown variant `forever`",
                "create -p mock -f wait.toml",
            ),
            (2, "syntax.toml:1:", "create -p mock -f syntax.toml"),
            (
                2,
                "provider.toml:1:12: provider: unknown provider \"azure\"",
                "create -f provider.toml",
            ),
            (2, "boot_secs", "create -p mock -f native.toml"),
            (2, "\"b\"", "create b -p mock -f named.toml"),
            (2, "\"a\"", "create '' -p mock -f named.toml"),
            (2, "Web_1", "create -p mock -f name.toml"),
            (2, "count 0", "create -p mock -f count.toml"),
            (2, "mars-1a", "create -p mock -f zone.toml"),
            (2, "not-there.sh", "create -p mock -f data.toml"),
            (2, "ttl.toml: invalid duration \"banana\"", "create -p mock -f ttl.toml"),
            (2, "seconds.toml:2:7: ttl: ", "create -p mock -f seconds.toml"),
            (
                2,
                "fallback.toml:2:13: fallback: unknown variant `moon`",
                "create -p mock -f fallback.toml",
            ),
            (2, "bare.toml:2:12: fallback: ", "create -p mock -f bare.toml"),
            (2, "absent.toml", "create -p mock -f absent.toml"),
            (2, "/dev", "create -p mock -f /dev"),
        ],
    );
}

#[test]
fn spec_files_of_every_format() {
    let sandbox = with_vms();
    for (name, text) in [
        ("key.yaml", "name: a\nimgae: x\n"),
        ("key.json", "{\"name\": \"a\",\n \"imgae\": \"x\"}"),
        (
            "inner.toml",
            "[[vm]]\nname = \"a\"\n\n[[vm]]\nname = \"b\"\nmaxprice = 1\n",
        ),
        ("inner.yaml", "vm:\n  - name: a\n    vm: []\n"),
        ("type.yaml", "name: a\ncpus: two\n"),
        ("type.json", "{\"name\": \"a\", \"spot\": 1}"),
        ("null.yaml", "name: a\nttl:\n"),
        ("null.json", "{\"name\": \"a\", \"ttl\": null}"),
        ("syntax.yaml", "name: a\nopen: [\n"),
        ("syntax.json", "{\"name\": \"a\""),
        ("network.toml", "name = \"a\"\nopen = [22, \"22/10.0.0.1/8\"]\n"),
        ("network.yaml", "name: a\nopen: [22/10.0.0.1/8]\n"),
        ("gpu.yml", "name: a\ngpu: t4:0\n"),
        ("memory.toml", "name = \"a\"\nmemory = nan\n"),
        ("zero.toml", "name = \"a\"\ncpus = 0\n"),
        ("twice.yaml", "name: a\nname: b\n"),
        ("twins.toml", "[[vm]]\nname = \"a\"\n[[vm]]\nname = \"a\"\n"),
        (
            "member.toml",
            "[[vm]]\nname = \"a\"\ncount = 2\n[[vm]]\nname = \"a-2\"\n",
        ),
        ("nameless.toml", "[[vm]]\nname = \"a\"\n[[vm]]\n"),
        ("none.json", "{\"vm\": []}"),
        ("both.toml", "name = \"a\"\nttl = \"2h\"\nbudget = 1\n"),
        ("empty.yaml", "\n"),
        ("list.json", "[{\"name\": \"a\"}]"),
    ] {
        sandbox.write(name, text);
    }
    sandbox.write("large.toml", &"#".repeat(1024 * 1024 + 1));
    const CASES: &[(&str, &str)] = &[
        ("key.yaml", "key.yaml:2:1: unknown key `imgae`"),
        ("key.json", "key.json:2:8: unknown key `imgae`"),
        ("inner.toml", "inner.toml:6:1: unknown key `maxprice`"),
        ("inner.yaml", "inner.yaml:3:5: unknown key `vm`"),
        ("type.yaml", "type.yaml:2:7: cpus: \"two\" is not a whole number"),
        ("type.json", "type.json:1:23: spot: invalid type"),
        ("null.yaml", "null.yaml:2:5: ttl: this key has no value"),
        ("null.json", "null.json:1:25: ttl: invalid type: null"),
        ("syntax.yaml", "syntax.yaml:"),
        ("syntax.json", "syntax.json:1:12: "),
        (
            "network.toml",
            "network.toml:2:13: open: invalid network \"10.0.0.1/8\"",
        ),
        ("network.yaml", "invalid network \"10.0.0.1/8\""),
        ("gpu.yml", "gpu.yml:2:6: gpu: invalid GPU \"t4:0\""),
        ("memory.toml", "memory.toml:2:10: memory: "),
        ("zero.toml", "zero.toml:2:8: cpus: "),
        ("twice.yaml", "duplicate"),
        ("twins.toml", "two VMs are called \"a\""),
        ("member.toml", "two VMs would be called a-2"),
        ("nameless.toml", "number 2 of the list `vm` has no name"),
        ("none.json", "the list `vm` is empty"),
        ("both.toml", "both ttl and budget of \"a\""),
        ("empty.yaml", "empty.yaml is empty"),
        ("list.json", "list.json:1:"),
        ("large.toml", "large.toml is over 1 MiB"),
    ];
    for (name, message) in CASES {
        let run = sandbox
            .run(&["create", "-p", "mock", "-f", name, "-o", "json"])
            .expect(2);
        let error = run.json()["errors"][0].clone();
        assert!(
            error["message"].as_str().unwrap_or_default().contains(message),
            "{name}: {error}"
        );
        assert!(
            error["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{name}: {error}"
        );
    }
    let hint = |name: &str| sandbox.run(&["create", "-p", "mock", "-f", name]).expect(2).stderr;
    assert!(hint("key.yaml").contains("hint: did you mean `image`?"));
    assert!(hint("inner.toml").contains("hint: did you mean `max-price`?"));
    check(&sandbox, &[(2, "\"b\"", "create b -p mock -f member.toml")]);
}

#[test]
fn user_data_and_keys() {
    let sandbox = with_vms();
    sandbox.write("16k", &"x".repeat(16 * 1024 + 1));
    sandbox.write("1m", &"x".repeat(1024 * 1024 + 1));
    sandbox.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n");
    sandbox.write("text.pub", "not a key\n");
    sandbox.write("putty.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me\n";
    sandbox.write("two.pub", &key.repeat(2));
    sandbox.write("cut.pub", &key[..60]);
    sandbox.write("other.pub", &key.replace("ssh-ed25519 ", "ssh-rsa "));
    sandbox.write("large.pub", &"#\n".repeat(40 * 1024));
    sandbox.write("none.pub", "# nothing\n");
    check(
        &sandbox,
        &[
            (2, "16385", "create x -p mock --user-data 16k"),
            (2, "1m", "create x -p mock --user-data 1m"),
            (2, "/dev/zero", "create x -p mock --user-data /dev/zero"),
            (2, "absent", "create x -p mock --user-data absent"),
            (2, "/dev", "create x -p mock --user-data /dev"),
            (2, "user data file", "create x -p mock --user-data ''"),
            (2, "id is a private key", "create x -p mock --ssh-key id"),
            (2, "text.pub", "create x -p mock --ssh-key text.pub"),
            (2, "absent.pub", "create x -p mock --ssh-key absent.pub"),
            (2, "ssh-key", "create x -p mock --ssh-key ''"),
            (2, "putty.ppk is a private key", "create x -p mock --ssh-key putty.ppk"),
            (2, "two.pub has several lines", "create x -p mock --ssh-key two.pub"),
            (
                2,
                "cut.pub is a damaged public key",
                "create x -p mock --ssh-key cut.pub",
            ),
            (
                2,
                "other.pub is a damaged public key: its key type does not match its first word",
                "create x -p mock --ssh-key other.pub",
            ),
            (2, "large.pub is over 64 KiB", "create x -p mock --ssh-key large.pub"),
            (2, "none.pub is empty", "create x -p mock --ssh-key none.pub"),
            (2, "--ssh-port", "create x -p mock --ssh-port 65536"),
        ],
    );
}

#[test]
fn user_data_that_fits_is_taken_from_the_standard_input() {
    let sandbox = with_vms();
    let create = ["create", "x", "-p", "mock", "--user-data", "-", "-o", "json"];
    let over = sandbox.run_with_input(&create, &"x".repeat(16 * 1024 + 1)).expect(2);
    over.expect_in_stderr("16385");
    let most = sandbox.run_with_input(&create, &"x".repeat(16 * 1024)).expect(0);
    assert_eq!(most.item()["native"]["user_data_bytes"], 16 * 1024);
}
