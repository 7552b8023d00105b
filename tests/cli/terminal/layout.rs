//! Tables that fit the terminal, colours and progress.

use super::{on_terminal, written_to_terminal};
use crate::create;
use crate::support::sandbox::Sandbox;

const LONG: &str = "a-name-that-is-so-long-that-it-needs-most-of-a-line";
type Variables = &'static [(&'static str, &'static str)];

const LIST: &[&str] = &["list", "-p", "mock"];

fn with_one(name: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox, &[name]);
    sandbox
}

#[test]
fn table_fits_the_terminal_and_keeps_names_whole() {
    let sandbox = with_one(LONG);
    sandbox.run(&["wait", "-p", "mock", LONG]).expect(0);
    let mut widths = Vec::new();
    for columns in [200, 80, 64, 20] {
        // Colours would count as width here, though not on the terminal.
        let run = on_terminal(&sandbox, columns, "", &[LIST, &["-o", "table"]].concat()).expect(0);
        let text = without_colours(&run.stdout);
        let row = text.lines().find(|line| line.contains(LONG));
        let row = row.unwrap_or_else(|| panic!("{columns}: the name is cut in\n{text}"));
        assert!(row.contains("running"), "{columns}: {row}");
        if columns >= 64 {
            let fits = text.lines().all(|line| line.len() <= usize::from(columns));
            assert!(fits, "{columns}:\n{text}");
        }
        widths.push(row.len());
    }
    assert!(widths.is_sorted_by(|wide, narrow| wide >= narrow), "{widths:?}");
    let wide = on_terminal(&sandbox, 80, "", &[LIST, &["-o", "wide"]].concat()).expect(0);
    assert!(wide.stdout.contains(LONG), "{}", wide.stdout);
    // A pipe has no width.
    let piped = sandbox.run(LIST).expect(0);
    assert!(piped.stdout.contains("EXPIRES"), "{}", piped.stdout);
}

#[test]
fn list_shows_progress_and_removes_it() {
    let mut sandbox = with_one("web-1");
    let run = on_terminal(&sandbox, 200, "", LIST).expect(0);
    assert!(!run.stdout.contains("answered"), "{}", run.stdout);
    let raw = written_to_terminal(&sandbox, 200, "", LIST, ":").stdout;
    assert!(raw.contains("\r3 locations answered, VMs: 1"), "{raw}");
    // Neither for scripts, nor where keys alone are asked for.
    for arguments in [&["list", "-p", "mock", "-o", "json"][..], &["list", "-p", "mock", "-q"]] {
        let raw = written_to_terminal(&sandbox, 200, "", arguments, ":").stdout;
        assert!(!raw.contains("answered"), "{raw}");
    }
    // A dumb terminal cannot take anything back.
    sandbox.set("TERM", "dumb");
    for arguments in [
        LIST,
        &["create", "web-2", "-p", "mock"],
        &["wait", "web-2", "-p", "mock"],
    ] {
        let raw = written_to_terminal(&sandbox, 200, "", arguments, ":").stdout;
        assert!(!raw.replace("\r\n", "\n").contains('\r'), "{raw:?}");
    }
}

#[test]
fn colours_are_printed_on_terminals_or_on_request() {
    let cases: [(Variables, bool, bool); 8] = [
        // variables, coloured on a terminal, coloured into a pipe
        (&[], true, false),
        (&[("NO_COLOR", "1")], false, false),
        (&[("NO_COLOR", "")], true, false),
        (&[("TERM", "dumb")], false, false),
        (&[("CLICOLOR_FORCE", "1")], true, true),
        (&[("CLICOLOR_FORCE", "0")], true, false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false, false),
        (&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false, false),
    ];
    let mut sandbox = with_one("web-1");
    for (variables, on_a_terminal, piped) in cases {
        for (name, value) in variables {
            sandbox.set(name, value);
        }
        for arguments in [LIST, &["describe", "-p", "mock", "absent"]] {
            let shown = on_terminal(&sandbox, 100, "", arguments);
            assert_eq!(
                shown.stdout.contains('\u{1b}'),
                on_a_terminal,
                "{variables:?} {shown:?}"
            );
            let run = sandbox.run(arguments);
            let text = run.stdout + &run.stderr;
            assert_eq!(text.contains('\u{1b}'), piped, "{variables:?} {text}");
        }
        for (name, _) in variables {
            sandbox.unset(name);
        }
    }
}

#[test]
fn machine_formats_have_no_colours() {
    let mut sandbox = with_one("web-1");
    sandbox.set("CLICOLOR_FORCE", "1");
    for format in ["json", "jsonl", "yaml", "csv", "name", "id", "ref"] {
        let run = on_terminal(&sandbox, 100, "", &[LIST, &["-o", format]].concat()).expect(0);
        assert!(!run.stdout.contains('\u{1b}'), "{format}: {}", run.stdout);
    }
}

#[test]
fn progress_is_printed_on_terminals_only() {
    let sandbox = Sandbox::new();
    fn create(name: &str) -> [&str; 4] {
        ["create", name, "-p", "mock"]
    }
    let shown = on_terminal(&sandbox, 100, "", &create("one")).expect(0);
    let shown = without_colours(&shown.stdout);
    assert!(shown.contains("✓ created") && shown.contains("✓ running"), "{shown}");
    let piped = sandbox.run(&create("two")).expect(0);
    assert!(!piped.stderr.contains('✓') && !piped.stdout.contains('✓'), "{piped:?}");
    for format in ["json", "ref"] {
        let name = format!("for-{format}");
        let run = on_terminal(&sandbox, 100, "", &[&create(&name)[..], &["-o", format]].concat()).expect(0);
        assert!(!run.stdout.contains('✓'), "{}", run.stdout);
    }
}

#[test]
fn expiry_of_a_new_vm_is_printed_on_terminals() {
    let mut sandbox = Sandbox::new();
    sandbox.start_mock_vms_at_once();
    for (arguments, text) in [
        (
            &["create", "one", "--ttl", "2h"][..],
            "cost: 0.02 USD an hour; expires in 2h (by its cloud)\n",
        ),
        (
            &["create", "two", "--ttl", "2h", "--count", "2"],
            "cost: 0.04 USD an hour for 2 VMs; the first expires in 2h (by its cloud)\n",
        ),
        (&["extend", "one", "--ttl", "3h"], "expires in 3h (by its cloud)\n"),
    ] {
        let all = [arguments, &["-p", "mock"]].concat();
        let shown = without_colours(&on_terminal(&sandbox, 100, "", &all).expect(0).stdout);
        assert!(shown.contains(text), "{shown}");
        let quiet = on_terminal(&sandbox, 100, "", &[&all[..], &["-q"]].concat()).expect(0);
        assert!(!quiet.stdout.contains("expires in"), "{}", quiet.stdout);
    }
    let endless = on_terminal(&sandbox, 100, "", &["create", "endless", "-p", "mock"]).expect(0);
    assert!(!endless.stdout.contains("expires in"), "{}", endless.stdout);
}

pub(super) fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    plain
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let sandbox = Sandbox::new();
    let plan: &[&str] = &["create", "web-1", "-p", "mock", "--ttl", "2h", "--dry-run"];
    let narrow = without_colours(&on_terminal(&sandbox, 80, "", plan).expect(0).stdout);
    assert!(narrow.contains("TTL  USD/TTL"), "{narrow}");
    assert!(narrow.contains("no room for "), "{narrow}");
    assert!(narrow.contains(": -o wide shows all columns"), "{narrow}");
    // Who asks for all columns gets all.
    let wide = without_colours(
        &on_terminal(&sandbox, 80, "", &[plan, &["-o", "wide"]].concat())
            .expect(0)
            .stdout,
    );
    assert!(wide.contains("DISK TYPE") && wide.contains("LABELS"), "{wide}");
    assert!(!wide.contains("no room for "), "{wide}");
    let piped = sandbox.run(plan).expect(0);
    piped.expect_not_in_stderr("no room for ");
}
