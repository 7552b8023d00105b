//! Formats, columns, filters and orders that there are not, and commands that there are not.

use super::{check, with_vms};

#[test]
fn formats_filters_and_orders() {
    check(
        &with_vms(),
        &[
            (2, "nonsense", &["list", "-p", "mock", "-o", "nonsense"]),
            (2, "\"\"", &["list", "-p", "mock", "-o", ""]),
            (2, "columns=", &["list", "-p", "mock", "-o", "columns="]),
            (2, "bogus", &["list", "-p", "mock", "-o", "columns=name,bogus"]),
            (2, "references", &["whoami", "-p", "mock", "-o", "ref"]),
            (2, "bogus", &["create", "x", "-p", "mock", "-o", "columns=bogus"]),
            (
                2,
                "bogus",
                &["terminate", "web-1", "-y", "-p", "mock", "-o", "columns=bogus"],
            ),
            (2, "nonsense", &["list", "-p", "mock", "--filter", "nonsense"]),
            (2, "bogus", &["list", "-p", "mock", "--filter", "bogus=1"]),
            (2, "runing", &["list", "-p", "mock", "--filter", "state=runing"]),
            (2, "age=2h", &["list", "-p", "mock", "--filter", "age=2h"]),
            (2, "soon", &["list", "-p", "mock", "--filter", "age>soon"]),
            (2, "''", &["list", "-p", "mock", "--filter", ""]),
            (2, "bogus", &["list", "-p", "mock", "--sort", "bogus"]),
            (2, "''", &["list", "-p", "mock", "--sort", ""]),
            (2, "''", &["list", "-p", "mock", "-l", ""]),
        ],
    );
}

#[test]
fn commands() {
    check(
        &with_vms(),
        &[
            (2, "frobnicate", &["frobnicate"]),
            (2, "trminate", &["trminate", "web-1"]),
            (2, "frobnicate", &["context", "frobnicate"]),
            (2, "nope", &["help", "nope"]),
            (2, "nope", &["man", "nope"]),
            (2, "tcsh", &["completion", "tcsh"]),
            (2, "<SHELL>", &["completion"]),
        ],
    );
}

/// Whoever mistypes a verb is not to be led to one that destroys.
#[test]
fn terminate_is_never_suggested() {
    let run = with_vms().run(&["frobnicate"]).expect(2);
    assert!(!run.stderr.contains("similar"), "{}", run.stderr);
}
