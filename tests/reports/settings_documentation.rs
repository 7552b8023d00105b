//! The page of settings in the documentation, which is made from the drivers' tables.

use std::path::Path;

use cloudctl::providers::Drivers;
use cloudctl::settings::{settings_page, settings_text};

use crate::support::sandbox::Sandbox;

/// With this variable set the test writes the page in place of comparing it.
const WRITE: &str = "CLOUDCTL_WRITE_DOCS";

#[test]
fn settings_page_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let page = settings_page(&Drivers::default().cloud_tool_settings());
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/settings.md is not what the tables say; write it again: {WRITE}=1 cargo test --test reports settings_page"
    );
}

#[test]
fn settings_help_is_the_same_table() {
    let shown = Sandbox::new().run("help settings").expect(0).stdout;
    // It is wrapped for the terminal.
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let expected = settings_text(&Drivers::default().cloud_tool_settings());
    assert_eq!(words(&shown), words(&expected));
}
