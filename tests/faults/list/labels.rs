//! Labels and tags that others have written.

use std::time::Duration;

use crate::Row;
use crate::seed_instances::{alive_ids, labels, own, seed};
use crate::support::backends::{Backend, BackendKind};

pub fn rows() -> Vec<Row> {
    let mut rows = crate::rows![BackendKind::EMULATORS;
        64 => hostile_labels_are_escaped,
        65 => forged_and_damaged_labels_expire_nothing,
    ];
    // The other cloud's answers are JSON, which has a form for everything.
    rows.extend(crate::rows![&[BackendKind::Ec2Emulator];
        64 => invalid_utf8_in_tags_hides_nothing,
    ]);
    rows
}

/// Values that steer terminals, turn text round, begin formulas, and never end.
fn hostile() -> Vec<String> {
    vec![
        "\u{1b}[31mred\u{7}\u{1b}]0;title\u{7}".to_owned(),
        "\u{202e}gnitirw\u{2066}\u{200f}".to_owned(),
        "two\r\nlines\u{85}\u{2028}\u{9b}31m".to_owned(),
        "\u{1b}[2J\u{1b}[H\u{8}\u{8}".to_owned(),
        "=HYPERLINK(\"http://evil.example\")".to_owned(),
        "+1".to_owned(),
        "-1".to_owned(),
        "@SUM(1)".to_owned(),
        "\t=1".to_owned(),
        "x".repeat(4096),
        "\u{1f4a9}\u{feff}\u{fffd}".to_owned(),
    ]
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|character| {
        character == '\n'
            || !(character.is_control()
                || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'))
    })
}

fn hostile_labels_are_escaped(backend: &Backend) {
    for (number, value) in hostile().into_iter().enumerate() {
        let name = format!("vm-{number}");
        let mut labels = own(&name);
        labels.insert("note".to_owned(), value.clone());
        labels.insert("cloudctl-ttl".to_owned(), value.clone());
        let id = seed(backend, &name, &labels);
        // Compute Engine checks names and keys.
        if backend.force_label(&id, "cloudctl-name", &value) {
            backend.force_label(&id, "Name", &value);
            backend.force_label(&id, &value, "as a key");
        }
    }
    let region = backend.home_region();
    for format in ["table", "wide", "columns=name,labels,native", "name", "id", "ref"] {
        let run = backend.run(&["list", "-r", region, "-o", format]).expect(0);
        assert!(is_harmless(&run.stdout), "{format}: {:?}", run.stdout);
        assert!(is_harmless(&run.stderr), "{format}: {:?}", run.stderr);
        let rows = hostile().len() + usize::from(!matches!(format, "name" | "id" | "ref"));
        assert_eq!(run.stdout.lines().count(), rows, "{format}: {:?}", run.stdout);
    }
    // A table stays one: no cell of it is a page long.
    let run = backend
        .run(&["list", "-r", region, "-o", "columns=id,labels"])
        .expect(0);
    let longest = run.stdout.lines().map(|line| line.chars().count()).max();
    assert!(longest.is_some_and(|longest| longest < 2 * 4096 + 400), "{longest:?}");
    // Machines get it exactly, and spreadsheets get no formula.
    let items = backend.json(&["list", "-r", region]).expect(0).items();
    let mut notes: Vec<_> = items
        .iter()
        .map(|item| item["labels"]["note"].as_str().unwrap_or_default())
        .collect();
    notes.sort_unstable();
    let mut expected = hostile();
    expected.sort_unstable();
    assert_eq!(notes, expected);
    let sheet = backend.run(&["list", "-r", region, "-o", "csv"]).expect(0).stdout;
    for dangerous in ["=HYPERLINK", "+1", "-1", "@SUM", "\t=1"] {
        let before = sheet
            .match_indices(dangerous)
            .map(|(at, _)| sheet[..at].chars().next_back());
        let starts = before.filter(|before| matches!(before, Some(',' | '"' | '\n'))).count();
        assert_eq!(starts, 0, "{dangerous}: {sheet}");
    }
    for seen in backend.alive() {
        let run = backend.run(&["describe", &seen.id, "-r", region]).expect(0);
        assert!(is_harmless(&run.stdout) && is_harmless(&run.stderr), "{run:?}");
    }
    // What comes of it when it is to be ended is safe to read, too, and none of it is.
    let before = alive_ids(backend);
    for arguments in [
        &["terminate", "--expired", "-y"][..],
        &["terminate", "--expired", "--dry-run"],
    ] {
        let run = backend.run(arguments).expect(7);
        assert!(is_harmless(&run.stdout) && is_harmless(&run.stderr), "{run:?}");
    }
    assert_eq!(alive_ids(backend), before);
    let console = hostile().concat();
    if backend.set_console_text(&before[0], &console) {
        backend.run(&["console", &before[0], "-r", region]).expect(0);
    }
}

fn invalid_utf8_in_tags_hides_nothing(backend: &Backend) {
    let emulator = backend.ec2();
    let raw: &[(&str, &[u8], &str)] = &[
        ("latin", b"caf\xe9", "caf\u{fffd}"),
        ("half", b"\xf0\x9f\x92", "\u{fffd}"),
        ("escape", b"\x1b[2J\x00\x07", "\u{1b}[2J\0\u{7}"),
        ("reference", b"&#x1b;[2J&#8238;", "\u{1b}[2J\u{202e}"),
        ("nobody", b"a&#xD800;b&#1114112;", "a\u{fffd}b\u{fffd}"),
        ("forbidden", b"\xef\xbf\xbe&amp;", "\u{fffe}&"),
    ];
    let id = seed(backend, "web-1", &own("web-1"));
    for (key, bytes, _) in raw {
        emulator.force_raw_tag(&id, key, bytes);
    }
    let region = backend.home_region();
    let item = backend.json(&["list", "-r", region]).expect(0).item();
    for (key, _, value) in raw {
        assert_eq!(item["labels"][key], *value, "{key}");
    }
    for arguments in [
        &["list", "-r", region, "-o", "columns=name,labels"][..],
        &["describe", &id, "-r", region],
    ] {
        let run = backend.run(arguments).expect(0);
        assert!(is_harmless(&run.stdout) && is_harmless(&run.stderr), "{run:?}");
    }
    backend.run("terminate web-1 -y").expect(0);
    assert_eq!(alive_ids(backend), Vec::<String>::new());
}

fn forged_and_damaged_labels_expire_nothing(backend: &Backend) {
    // Every one of them would be over by a careless reading.
    let forged = [
        ("not-marked", "cloudctl-managed", None),
        ("marked-otherwise", "cloudctl-managed", Some("yes")),
        ("marked-false", "cloudctl-managed", Some("false")),
        ("no-name", "cloudctl-name", None),
        ("empty-name", "cloudctl-name", Some("")),
        ("no-spec", "cloudctl-spec", None),
        ("short-spec", "cloudctl-spec", Some("0123")),
        ("odd-spec", "cloudctl-spec", Some("oooooooooooooooo")),
        ("word", "cloudctl-ttl", Some("banana")),
        ("empty-ttl", "cloudctl-ttl", Some("")),
        ("negative", "cloudctl-ttl", Some("-1h")),
        ("plain-number", "cloudctl-ttl", Some("60")),
        ("a-date", "cloudctl-ttl", Some("2020-01-01")),
        ("endless", "cloudctl-ttl", Some("99999999999999999999h")),
    ];
    let mut expected = Vec::new();
    for (name, key, value) in forged {
        let mut labels = own(name);
        labels.insert("cloudctl-ttl".to_owned(), "1s".to_owned());
        match value {
            Some(value) => labels.insert(key.to_owned(), value.to_owned()),
            None => labels.remove(key),
        };
        expected.push((name.to_owned(), seed(backend, name, &labels)));
    }
    if backend.differences().names_are_fixed {
        // A console copies the labels of one VM to another.
        let mut labels = own("original");
        labels.insert("cloudctl-ttl".to_owned(), "1s".to_owned());
        expected.push(("copy".to_owned(), seed(backend, "copy", &labels)));
    }
    seed(backend, "theirs", &labels(&[("ttl", "1s"), ("expires", "2020-01-01")]));
    std::thread::sleep(Duration::from_millis(2_500));
    let before = alive_ids(backend);
    let run = backend.json("terminate --expired -y").expect(7);
    assert_eq!(alive_ids(backend), before, "{}", run.stderr);
    for (name, id) in &expected {
        assert!(run.stderr.contains(id), "{name} was not warned of: {}", run.stderr);
    }
    assert_eq!(run.json()["errors"].as_array().map(Vec::len), Some(expected.len()));
    assert_eq!(backend.count(backend.operations().terminate), 0);
    // One that is sound and over goes, and the others still stand.
    let mut labels = own("sound");
    labels.insert("cloudctl-ttl".to_owned(), "1s".to_owned());
    let sound = seed(backend, "sound", &labels);
    std::thread::sleep(Duration::from_millis(2_500));
    backend.run("terminate --expired -y").expect(7);
    assert!(!alive_ids(backend).contains(&sound));
    assert_eq!(alive_ids(backend), before);
}
