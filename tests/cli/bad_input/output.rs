//! Unknown formats, columns, filters, sort keys and commands.

use super::{check, with_vms};

#[test]
fn formats_filters_and_orders() {
    check(
        &with_vms(),
        &[
            (2, "nonsense", "list -p mock -o nonsense"),
            (2, "\"\"", "list -p mock -o ''"),
            (2, "columns=", "list -p mock -o columns="),
            (2, "bogus", "list -p mock -o columns=name,bogus"),
            (2, "references", "whoami -p mock -o ref"),
            (2, "bogus", "create x -p mock -o columns=bogus"),
            (2, "bogus", "terminate web-1 -y -p mock -o columns=bogus"),
            (2, "nonsense", "list -p mock --filter nonsense"),
            (2, "bogus", "list -p mock --filter bogus=1"),
            (2, "runing", "list -p mock --filter state=runing"),
            (2, "age=2h", "list -p mock --filter age=2h"),
            (2, "soon", "list -p mock --filter age>soon"),
            (2, "''", "list -p mock --filter ''"),
            (2, "maybe", "list -p mock --filter protected!=maybe"),
            (2, "abc", "list -p mock --filter cpus!=abc"),
            (2, "yesterday", "list -p mock --filter created_at>yesterday"),
            (2, "mok", "list -p mock --filter provider=mok"),
            (2, "typ", "list -p mock --filter typ=small"),
            (2, "labels.env", "list -p mock --filter labels.env=ci"),
            (2, "tipe", "list -p mock -o columns=name,tipe"),
            (2, "value=", "list -p mock -o value="),
            (2, "bogus", "list -p mock -o value=bogus"),
            (2, "name,id", "list -p mock -o value=name,id"),
            (2, "bogus", "create x -p mock -o value=bogus"),
            (2, "bogus", "type list -p mock -o value=bogus"),
            (2, "bogus", "whoami -p mock -o value=bogus"),
            (2, "bogus", "list -p mock --sort bogus"),
            (2, "''", "list -p mock --sort ''"),
            (2, "''", "list -p mock -l ''"),
        ],
    );
}

#[test]
fn unknown_output_field_suggests_the_nearest() {
    let sandbox = with_vms();
    for (arguments, meant) in [
        (["--filter", "machine_typ=small"], "machine_type"),
        (["--filter", "expire_at>2026-01-31"], "expires_at"),
        (["--filter", "labels.env=ci"], "label.env"),
        (["--sort", "-create"], "created_at"),
        (["-o", "columns=name,machine_tipe"], "machine_type"),
        (["-o", "value=publicip"], "public_ip"),
        (["-o", "value=create"], "created_at"),
    ] {
        let run = sandbox
            .run(&[&["list", "-p", "mock"], &arguments[..]].concat())
            .expect(2);
        let hint = format!("hint: did you mean {meant}?");
        run.expect_in_stderr(&hint);
    }
}

#[test]
fn commands() {
    check(
        &with_vms(),
        &[
            (2, "frobnicate", "frobnicate"),
            (2, "trminate", "trminate web-1"),
            (2, "frobnicate", "context frobnicate"),
            (2, "nope", "help nope"),
            (2, "nope", "man nope"),
            (2, "tcsh", "completion tcsh"),
            (2, "<SHELL>", "completion"),
        ],
    );
}

/// Whoever mistypes a verb is not to be led to one that destroys.
#[test]
fn terminate_is_never_suggested() {
    let run = with_vms().run("frobnicate").expect(2);
    run.expect_not_in_stderr("similar");
}
