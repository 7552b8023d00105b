//! One value for a shell variable, tables without a header, and headers as names of columns.

use crate::support::sandbox::Sandbox;
use crate::{create, edit};

fn with_two() -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &["one", "-l", "team=blue", "-l", "role=worker"]);
    create(&sandbox, &["two"]);
    sandbox
}

fn stdout(sandbox: &Sandbox, line: &str) -> String {
    sandbox.run(line).expect(0).stdout
}

#[test]
fn value_is_bare_with_one_line_for_each_vm() {
    let sandbox = with_two();
    let one = sandbox.run("describe one -p mock -o json").expect(0).item();
    let address = one["public_ip"].as_str().expect("an address");
    for (line, expected) in [
        ("describe one -p mock -o value=public_ip", address),
        ("describe one -p mock -o 'value=PUBLIC IP'", address),
        ("list -p mock --sort name -o value=name", "one\ntwo"),
        ("describe one -p mock -o value=cpus", "1"),
        ("describe one -p mock -o value=spot", "false"),
        ("describe one -p mock -o value=labels", "role=worker,team=blue"),
        ("describe one -p mock -o value=price", "0.02"),
        ("describe one -p mock -o value=expires", "never"),
        (
            "create one -p mock -l team=blue -l role=worker --native boot_seconds=0 -o value=name",
            "one",
        ),
        ("create three -p mock --dry-run -o value=machine_type", "small"),
        ("wait one -p mock -o value=state", "running"),
        ("protect one -p mock -o value=protected", "true"),
        (
            "type list -p mock --cpus 8 --sort name -o value=TYPE",
            "gpu-large\nxlarge",
        ),
        ("price -p mock --cpus 4 --limit 1 -o value=machine_type", "large"),
        ("whoami -p mock -o value=account", "mock"),
        ("region list -p mock -r us-east-1 -o value=name", "us-east-1"),
        ("list -p mock --cost -o value=running", "2"),
    ] {
        assert_eq!(stdout(&sandbox, line), format!("{expected}\n"), "{line}");
    }
}

#[test]
fn value_that_is_unknown_or_empty_exits_3() {
    let sandbox = with_two();
    for (line, named) in [
        ("list -p mock -l team=red -o value=public_ip", "there is no VM"),
        ("list -p mock -o value=expires_at", "mock/us-east-1/m-"),
        (
            "describe two -p mock -o value=labels",
            "labels is unknown or empty for mock/us-east-1/m-",
        ),
        (
            "image list -p mock --arch arm64 -o value=created_at",
            "created_at is unknown or empty for",
        ),
        (
            "create four -p mock --no-public-ip -o value=public_ip",
            "public_ip is unknown or empty for mock/",
        ),
    ] {
        let run = sandbox.run(line).expect(3);
        assert_eq!(run.stdout, "", "{line}");
        run.expect_in_stderr(named).expect_in_stderr("hint:");
    }
    // Of several VMs, one without a value is enough.
    let run = sandbox.run("list -p mock -o value=labels").expect(3);
    assert_eq!(run.stdout, "");
    // What the command itself failed with goes first.
    let run = sandbox.run("describe absent -p mock -o value=id").expect(3);
    run.expect_in_stderr("absent");
    sandbox.run("stop one -p mock -q").expect(0);
    sandbox
        .run("wait one -p mock --for terminated --timeout 0s -o value=expires_at")
        .expect(8);
}

#[test]
fn value_has_control_characters_escaped() {
    let sandbox = with_two();
    edit(&sandbox, "one", |one| {
        one["labels"]["cloudctl-name"] = "a\u{1b}[31mb\nc".into();
    });
    let names = stdout(&sandbox, "list -p mock --sort name -o value=name");
    assert_eq!(names, "a\\u{1b}[31mb\\u{a}c\ntwo\n");
}

#[test]
fn no_headers_leaves_out_the_header() {
    let sandbox = with_two();
    for format in ["table", "wide", "columns=name,state", "csv"] {
        let line = format!("list -p mock --sort name -o {format}");
        let whole = stdout(&sandbox, &line);
        let without = stdout(&sandbox, &format!("{line} --no-headers"));
        assert_eq!(without.lines().count(), 2, "{format}: {without}");
        // The ages grow from one run to the next.
        let is_age = |cell: &&str| {
            cell.strip_suffix('s')
                .is_some_and(|seconds| seconds.parse::<u64>().is_ok())
        };
        let cells = |text: &str| {
            text.split_whitespace()
                .filter(|cell| !is_age(cell))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let rows: Vec<_> = whole.lines().skip(1).map(cells).collect();
        assert_eq!(without.lines().map(cells).collect::<Vec<_>>(), rows, "{format}");
    }
    // A header alone makes no column wide.
    let short = stdout(
        &sandbox,
        "list -p mock --sort name -o columns=name,price_usd_per_hour,spot --no-headers",
    );
    assert_eq!(short, "one  0.02  no\ntwo  0.02  no\n");
    // The other formats have none.
    let names = stdout(&sandbox, "list -p mock --sort name -o name --no-headers");
    assert_eq!(names, "one\ntwo\n");
}

#[test]
fn nothing_found_prints_no_header_but_in_csv() {
    let sandbox = with_two();
    for format in ["table", "wide", "columns=public_ip", "name"] {
        assert_eq!(
            stdout(&sandbox, &format!("list -p mock -l no=such -o {format}")),
            "",
            "{format}"
        );
    }
    let csv = stdout(&sandbox, "list -p mock -l no=such -o csv");
    assert!(
        csv.starts_with("provider,account,") && csv.lines().count() == 1,
        "{csv}"
    );
    assert_eq!(stdout(&sandbox, "list -p mock -l no=such -o csv --no-headers"), "");
}

#[test]
fn table_headers_are_names_of_columns() {
    let sandbox = with_two();
    let printed = stdout(
        &sandbox,
        "list -p mock --sort name -o 'columns=NAME,type,Public IP,usd/h,ours,ends by'",
    );
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("NAME  TYPE   PUBLIC IP"), "{printed}");
    assert!(lines[0].contains("USD/H  OURS  ENDS BY"), "{printed}");
    assert!(
        lines[1].starts_with("one   small  ") && lines[1].contains("0.02   yes   -"),
        "{printed}"
    );
    let types = stdout(
        &sandbox,
        "type list -p mock --arch arm64 --sort name -o columns=type,gib,price",
    );
    assert_eq!(types.lines().nth(1), Some("arm-large   16.0  0.128"));
}

#[test]
fn filter_and_sort_take_table_headers() {
    let sandbox = with_two();
    let names = |arguments: &str| stdout(&sandbox, &format!("list -p mock -o name {arguments}"));
    assert_eq!(names("--sort 'USD/H,-NAME'"), "two\none\n");
    assert_eq!(
        names("--filter 'type=small,Public IP~203,usd/h<1,AGE<1h,name=one'"),
        "one\n"
    );
}

#[test]
fn id_is_the_last_column_of_the_table() {
    let sandbox = with_two();
    let id = stdout(&sandbox, "describe one -p mock -o id");
    let table = stdout(&sandbox, "list -p mock --sort name");
    let mut lines = table.lines();
    assert!(
        lines.next().is_some_and(|header| header.ends_with("EXPIRES  ID")),
        "{table}"
    );
    assert!(lines.next().is_some_and(|row| row.ends_with(id.trim())), "{table}");
}
