//! Every sentence that the binary can print, in one list: `messages.txt`. A review reads the list, and a change of a
//! message is seen as a change of it. `SNAPSHOTS=overwrite cargo test --test house` writes the list anew.
//!
//! A sentence is a string of two words or more in `src`, outside of tests and doc comments. Help texts are not in the
//! list: `tests/cli/reference.txt` has them.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use snapbox::{assert_data_eq, file};
use syn::visit::{self, Visit};
use syn::{Attribute, File, LitStr};

/// Collects the sentences of a file.
#[derive(Default)]
struct Sentences {
    found: Vec<String>,
}

impl Sentences {
    fn add(&mut self, text: &str) {
        let words = text
            .split_whitespace()
            .filter(|word| word.chars().any(char::is_alphabetic));
        if words.count() >= 2 {
            self.found.push(text.replace('\n', "\\n"));
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut is_attribute = false;
        for token in tokens {
            let follows_hash = is_attribute;
            is_attribute = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
            match token {
                TokenTree::Group(_) if follows_hash => {}
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(literal) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.add(&literal.value());
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Sentences {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        let is_test = |attribute: &Attribute| {
            let path = attribute.path();
            path.is_ident("test")
                || path.is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    /// Documentation and lints are no messages.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.add(&literal.value());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
    }
}

#[test]
fn messages_are_those_of_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    super::collect(&root, &mut sources);
    sources.sort();
    let mut list = String::new();
    for source in sources {
        let name = source
            .strip_prefix(&root)
            .expect("it is below the root")
            .to_string_lossy()
            .replace('\\', "/");
        if super::is_test_file(&name) {
            continue;
        }
        let text = fs::read_to_string(&source).expect("a source file");
        let parsed: File = syn::parse_file(&text).expect("Rust");
        let mut sentences = Sentences::default();
        sentences.visit_file(&parsed);
        if !sentences.found.is_empty() {
            list.push_str(&format!("# {name}\n{}\n\n", sentences.found.join("\n")));
        }
    }
    assert_data_eq!(list, file!["messages.txt"].raw());
}
