//! `list --watch`: a table that is drawn again in place.

use super::{Step, written_in_steps};
use crate::create;
use crate::support::sandbox::Sandbox;

const WATCH: &[&str] = &["list", "-p", "mock", "--watch", "--interval", "1s"];
const CTRL_C: &str = "\u{3}";

/// The text of each drawing, without what moves the cursor.
fn drawings(written: &str) -> Vec<String> {
    let text = written.replace("\r\n", "\n");
    let mut drawings = Vec::new();
    for part in text.split("\u{1b}[J") {
        let end = part.rfind("\u{1b}[").unwrap_or(part.len());
        let end = if part[end..].ends_with("A\r") { end } else { part.len() };
        drawings.push(part[..end].to_owned());
    }
    drawings
}

fn quiet_terminal() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("NO_COLOR", "1").start_mock_vms_at_once();
    sandbox
}

#[test]
fn watch_draws_changes_in_place_until_ctrl_c() {
    let sandbox = quiet_terminal();
    create(&sandbox, &["web-1"]);
    let steps = [
        Step {
            until: "1 VM at ",
            run: "$CLOUDCTL create web-2 -p mock",
            keys: "",
        },
        Step {
            until: "+ web-2",
            run: "$CLOUDCTL stop web-1 -p mock",
            keys: "",
        },
        Step {
            until: "~ web-1",
            run: "$CLOUDCTL terminate web-2 -y -p mock --wait",
            keys: "",
        },
        Step {
            until: "1 VM at ",
            run: ":",
            keys: CTRL_C,
        },
    ];
    let run = written_in_steps(&sandbox, 100, WATCH, &steps);
    assert_eq!(run.code, 130, "{}", run.stdout);
    let drawings = drawings(&run.stdout);
    assert!(drawings.len() >= 4, "{drawings:#?}");
    assert!(
        drawings[0].contains("NAME") && drawings[0].contains("  web-1"),
        "{}",
        drawings[0]
    );
    assert!(drawings[0].contains("every 1s; Ctrl-C ends it"), "{}", drawings[0]);
    // A table of three lines is drawn over: the header, one VM, and the line below.
    assert!(run.stdout.contains("\u{1b}[3A\r\u{1b}[J"), "{:?}", run.stdout);
    let last = drawings.last().expect("a drawing");
    assert!(last.contains("web-1") && !last.contains("web-2"), "{last}");
}

#[test]
fn watch_warns_once_and_keeps_rows_of_a_silent_region() {
    let sandbox = quiet_terminal();
    create(&sandbox, &["near"]);
    create(&sandbox, &["far", "-r", "eu-west-1"]);
    let file = "$HOME/.local/state/cloudctl/mock.json";
    let hide = format!("mv {file} {file}.kept; echo '[]' > {file}");
    let show = format!("mv {file}.kept {file}");
    let steps = [
        Step {
            until: "2 VMs at ",
            run: &hide,
            keys: "",
        },
        Step {
            until: "? far",
            run: ":",
            keys: "",
        },
        Step {
            until: "2 VMs at ",
            run: ":",
            keys: "",
        },
        Step {
            until: "2 VMs at ",
            run: &show,
            keys: "",
        },
        Step {
            until: "answers again",
            run: ":",
            keys: "",
        },
        Step {
            until: "2 VMs at ",
            run: ":",
            keys: CTRL_C,
        },
    ];
    let run = written_in_steps(&sandbox, 120, WATCH, &steps);
    assert_eq!(run.code, 130, "{}", run.stdout);
    assert_eq!(
        run.stdout.matches("warning: mock/eu-west-1").count(),
        1,
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("its VMs are shown as they were then"),
        "{}",
        run.stdout
    );
}

#[test]
fn watch_shows_a_missing_region_from_the_start() {
    let mut sandbox = quiet_terminal();
    create(&sandbox, &["near"]);
    sandbox.set("CLOUDCTL_MOCK", "unreachable=eu-west-1");
    let steps = [
        Step {
            until: "1 VM at ",
            run: ":",
            keys: "",
        },
        Step {
            until: "1 VM at ",
            run: ":",
            keys: CTRL_C,
        },
    ];
    let run = written_in_steps(&sandbox, 120, WATCH, &steps);
    assert_eq!(run.code, 130, "{}", run.stdout);
    assert_eq!(
        run.stdout.matches("warning: mock/eu-west-1").count(),
        1,
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("? mock/eu-west-1 does not answer"),
        "{}",
        run.stdout
    );
}

#[test]
fn watch_shows_as_many_rows_as_the_screen_has() {
    let sandbox = quiet_terminal();
    sandbox.run("create many -p mock --count 40 --wait none -q").expect(0);
    let steps = [Step {
        until: "40 VMs at ",
        run: ":",
        keys: CTRL_C,
    }];
    let run = written_in_steps(&sandbox, 100, WATCH, &steps);
    assert!(
        run.stdout.contains("more that do not fit on the screen"),
        "{}",
        run.stdout
    );
    let written = run.stdout.split("Ctrl-C ends it").next().unwrap_or_default();
    assert_eq!(written.matches("\n").count(), 22, "{written}");
}

#[test]
fn watch_leaves_out_the_header_on_request() {
    let sandbox = quiet_terminal();
    create(&sandbox, &["web-1"]);
    let steps = [Step {
        until: "1 VM at ",
        run: ":",
        keys: CTRL_C,
    }];
    let run = written_in_steps(&sandbox, 100, &[WATCH, &["--no-headers"]].concat(), &steps);
    let first = drawings(&run.stdout)[0].clone();
    assert!(first.starts_with("  web-1  mock"), "{first}");
}

#[test]
fn watch_on_a_dumb_terminal_is_refused() {
    let mut sandbox = quiet_terminal();
    sandbox.set("TERM", "dumb");
    let run = written_in_steps(&sandbox, 100, WATCH, &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stdout.contains("-o jsonl"), "{}", run.stdout);
}
