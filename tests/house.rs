//! Holds the sources to the map in the crate's documentation: who may import whom, and who may know what.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "house/import_cycles.rs"]
mod import_cycles;
#[path = "house/messages.rs"]
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may import. `lib` and `main` put everything together and may import all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("cloud", &[]),
    ("catalog", &["cloud"]),
    ("exit", &["cloud"]),
    ("shutdown", &["cloud", "exit"]),
    ("settings", &["cloud"]),
    ("operations", &["cloud", "catalog", "shutdown"]),
    ("output", &["cloud", "exit"]),
    ("panic_report", &["cloud", "exit", "shutdown", "output"]),
    ("providers", &["cloud", "catalog", "settings"]),
    (
        "command_context",
        &[
            "cloud",
            "catalog",
            "shutdown",
            "settings",
            "providers",
            "output",
            "panic_report",
        ],
    ),
    (
        "commands",
        &[
            "cloud",
            "catalog",
            "command_context",
            "exit",
            "shutdown",
            "operations",
            "output",
            "settings",
        ],
    ),
    ("cli", &["cloud", "commands", "settings"]),
];

/// Words that only these files or folders may use.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("aws_config::", &["providers/aws"]),
    ("aws_sdk_", &["providers/aws"]),
    ("aws_smithy_", &["providers/aws"]),
    ("google_cloud_", &["providers/gcp"]),
    ("clap::", &["cli", "commands", "settings", "lib.rs"]),
    ("tokio::", &["shutdown.rs", "operations", "providers", "lib.rs"]),
    ("std::env", &["command_context.rs", "main.rs"]),
    ("println!", &[]),
    ("providers::aws", &["providers/mod.rs", "providers/aws"]),
    ("aws::Aws", &["providers/mod.rs"]),
    ("gcp::Gcp", &["providers/mod.rs"]),
    ("mock::Mock", &["providers/mod.rs"]),
];

struct Source {
    /// Below `src`, with forward slashes.
    path: String,
    room: String,
    /// Code without comments and tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the sources were found");
    files
        .into_iter()
        .map(|file| {
            let below = file.strip_prefix(&root).expect("it is below src");
            let path = below.to_string_lossy().replace('\\', "/");
            let room = path
                .split('/')
                .next()
                .unwrap_or_default()
                .trim_end_matches(".rs")
                .to_owned();
            let text = fs::read_to_string(&file).expect("a source file");
            let code = without_tests(&text);
            Source { path, room, code }
        })
        .collect()
}

/// The code without comments and without the items that exist in tests only.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            // Formatted code ends an item with a line of its own, as far to the right as the attribute.
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            let indent_of = |line: &str| line.len() - line.trim_start().len();
            let is_last = |line: &&str| *line == end || indent_of(line) == indent.len() && line.ends_with(';');
            lines.by_ref().find(is_last);
        } else if !line.trim_start().starts_with("//") {
            code += line;
            code.push('\n');
        }
    }
    code
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The rooms that a file names: by `crate::`, or by climbing out of its own with `super::`.
fn rooms_named(source: &Source) -> BTreeSet<String> {
    let depth = source.path.matches('/').count() + usize::from(!source.path.ends_with("mod.rs"));
    let climb = format!("{}::", vec!["super"; depth].join("::"));
    let mut rooms = BTreeSet::new();
    for prefix in ["crate::", &climb] {
        for (at, _) in source.code.match_indices(prefix) {
            let before = source.code[..at].chars().next_back();
            if before.is_some_and(|character| character.is_alphanumeric() || character == '_' || character == ':') {
                continue;
            }
            let rest = &source.code[at + prefix.len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(!name.is_empty(), "{}: name one room in each `use crate::`", source.path);
            rooms.insert(name);
        }
    }
    rooms.remove(&source.room);
    rooms
}

#[test]
fn rooms_import_only_what_the_map_allows() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.room == "lib" || source.room == "main" {
            continue;
        }
        let allowed = MAY_IMPORT.iter().find(|(room, _)| *room == source.room);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{} is in no room of the map", source.path));
        for room in rooms_named(&source) {
            if !allowed.contains(&room.as_str()) {
                wrong.push(format!("{} imports {room}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "not on the map:\n{}", wrong.join("\n"));
}

#[test]
fn map_has_no_cycles() {
    let edges: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    fn visit<'a>(room: &'a str, edges: &BTreeMap<&'a str, &'a [&'a str]>, path: &mut Vec<&'a str>) {
        assert!(!path.contains(&room), "a cycle: {path:?} -> {room}");
        path.push(room);
        for next in edges[room] {
            visit(next, edges, path);
        }
        path.pop();
    }
    for room in edges.keys() {
        visit(room, &edges, &mut Vec::new());
    }
}

#[test]
fn knowledge_stays_in_its_room() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (word, places) in MAY_KNOW {
            let allowed = places
                .iter()
                .any(|place| source.path == *place || source.path.starts_with(&format!("{place}/")));
            if source.code.contains(word) && !allowed {
                wrong.push(format!("{} knows {word}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The variants of `ProviderKind`, and the folder of each one's driver.
fn clouds() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{LIST_OF_CLOUDS}"));
    let text = fs::read_to_string(file).expect("the list of clouds");
    let (_, list) = text.split_once("\nword_enum! {").expect("the list");
    let (list, _) = list.split_once("\n}").expect("its end");
    let lines = list
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').split_once(" = "));
    let clouds: Vec<_> = lines
        .map(|(variant, word)| (variant.to_owned(), format!("providers/{}/", word.trim_matches('"'))))
        .collect();
    assert!(clouds.len() > 2, "the clouds were found");
    clouds
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("_tests.rs")
}

const LIST_OF_CLOUDS: &str = "cloud/provider_kind.rs";

/// A cloud is named once, where the clouds are listed, and inside its own driver.
#[test]
fn cloud_is_named_only_in_its_driver() {
    let clouds = clouds();
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.path != LIST_OF_CLOUDS) {
        let is_test = is_test_file(&source.path);
        for (at, name) in source.code.match_indices("ProviderKind::").filter(|_| !is_test) {
            let rest = &source.code[at + name.len()..];
            let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_own = |(variant, folder): &(String, String)| *variant == word && source.path.starts_with(folder);
            let is_of_all = word == "ALL" || word.starts_with(|letter: char| letter.is_lowercase());
            if !is_of_all && !clouds.iter().any(is_own) {
                wrong.push(format!("{} names ProviderKind::{word}", source.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a cloud is named outside its driver:\n{}",
        wrong.join("\n")
    );
}

/// A file is one noun. What is longer holds two.
#[test]
fn file_has_at_most_600_lines() {
    const MAX_LINES: usize = 600;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    for file in files {
        let lines = fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", file.display());
    }
}

/// A kind, a code or a type decides, never the text of a message.
#[test]
fn message_decides_nothing() {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| !is_test_file(&source.path)) {
        let code: String = source.code.split_whitespace().collect();
        for method in [
            "contains(",
            "starts_with(",
            "ends_with(",
            "strip_prefix(",
            "split",
            "parse",
        ] {
            for text in [".message().", ".hint()."] {
                if code.contains(&format!("{text}{method}")) {
                    wrong.push(format!("{} reads a message: {text}{method}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn map_is_the_one_in_the_documentation() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    for (room, imports) in MAY_IMPORT {
        let row = lib.lines().find(|line| line.starts_with(&format!("//! | [`{room}`]")));
        let row = row.unwrap_or_else(|| panic!("the documentation has no row for {room}"));
        let listed = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        let expected = if imports.is_empty() {
            "–".to_owned()
        } else {
            imports.join(", ")
        };
        assert_eq!(listed, expected, "{room}");
    }
}
