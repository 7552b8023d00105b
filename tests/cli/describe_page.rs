//! The page of `describe`, and the other formats, which are as they were.

use crate::create;
use crate::support::sandbox::Sandbox;

#[test]
fn describe_prints_groups_with_ages_beside_times() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1", "-l", "env=ci", "--ttl", "2h"]);
    let page = sandbox.run("describe web-1 -p mock").expect(0).stdout;
    let titles: Vec<_> = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(' '))
        .collect();
    assert_eq!(
        titles[..6],
        ["What", "Where", "Network", "Life", "Cost", "Labels"],
        "{page}"
    );
    let value = |label: &str| {
        let line = page.lines().find(|line| line.starts_with(&format!("  {label} ")));
        let line = line.unwrap_or_else(|| panic!("no {label} in\n{page}"));
        line.trim_start_matches(&format!("  {label}")).trim().to_owned()
    };
    assert_eq!(value("name"), "web-1");
    assert_eq!(value("state"), "running");
    assert_eq!(value("env"), "ci");
    assert_eq!(value("USD/hour"), "0.02");
    assert_eq!(value("USD/month"), "14.6");
    assert_eq!(value("ended by"), "the cloud");
    assert!(value("created").ends_with("s ago)"), "{page}");
    assert!(value("expires").ends_with("Z (in 2h)"), "{page}");
}

#[test]
fn describe_says_never_for_a_vm_without_ttl() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["web-1"]);
    let page = sandbox.run("describe web-1 -p mock").expect(0).stdout;
    assert!(page.contains("  expires         never\n"), "{page}");
    assert!(!page.contains("\nLabels"), "{page}");
}

#[test]
fn describe_of_several_separates_the_pages() {
    let sandbox = Sandbox::new();
    create(&sandbox, &["one"]);
    create(&sandbox, &["two"]);
    let pages = sandbox.run("describe one two -p mock").expect(0).stdout;
    assert_eq!(pages.matches("\n\n---\n\nWhat\n").count(), 1, "{pages}");
    let wide = sandbox.run("describe one two -p mock -o wide").expect(0).stdout;
    assert_eq!(wide.lines().count(), 3, "{wide}");
}
