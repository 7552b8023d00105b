//! Reads a spec file, or standard input, and returns a description of each VM or group in it.

pub(super) mod example;
pub(super) mod field_values;
pub(super) mod merge;
pub(super) mod parse;
pub(super) mod schema;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use self::field_values::KeyValues;
use self::merge::{Document, SpecFile};
use self::parse::{Format, parse};
use self::schema::list_keys;
use super::args::STANDARD_INPUT;
use crate::cloud::{Error, Result, path_text, quoted};
use crate::command_context::Context;
use crate::settings::{io_reason, utf8_text};

/// Larger files are refused.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

impl SpecFile {
    /// Reads a file, or standard input if `path` is `-`. Returns at least one description. If there are several, each has
    /// its own name.
    ///
    /// # Errors
    /// `InvalidSpec` if the file cannot be read or parsed, has an unknown key or has an invalid value. The message has
    /// file, line, column and key.
    pub(super) fn read(path: &Path, context: &mut Context) -> Result<Vec<Self>> {
        let file_path = match path == Path::new(STANDARD_INPUT) {
            true => None,
            false => Some(path),
        };
        let (read, source) = match file_path {
            Some(path) => (read_bytes(path), path_text(path)),
            None => (context.read_input(MAX_FILE_BYTES + 1), "standard input".to_owned()),
        };
        let bytes = read.map_err(|error| {
            Error::invalid(format!("cannot read the spec file {source}: {}", io_reason(&error)))
                .with_hint("pass a file that is there and can be read, or - for standard input")
        })?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(Error::invalid(format!("the spec file {source} is over 1 MiB"))
                .with_hint("split it: each file can have several VMs"));
        }
        let text = utf8_text(&bytes).map_err(|error| {
            Error::invalid(format!("cannot read the spec file {source}: {error}")).with_hint("save it as UTF-8")
        })?;
        parse_vms(text, file_path, &source)
    }
}

/// Reads a file up to one byte over the limit.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses the text of a file into a description of each VM. `path` is `None` for standard input.
fn parse_vms(text: &str, path: Option<&Path>, source: &str) -> Result<Vec<SpecFile>> {
    // A failed template or pipe gives empty text. It must not create a VM with the default values.
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("the spec file {source} is empty"))
            .with_hint("write at least one key into it, such as the image"));
    }
    let document: KeyValues<Document> = parse(Format::detect(path, text), text, source, list_keys)?;
    let (common_keys, list) = document.0.split();
    let mut files = match list {
        None => vec![common_keys],
        Some(list) => {
            let files = apply_common_keys(list, &common_keys);
            check_names(&files, source)?;
            files
        }
    };
    let folder = path.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
    for file in &mut files {
        folder.clone_into(&mut file.folder);
        source.clone_into(&mut file.source);
    }
    if let Some(file) = files.iter().find(|file| file.ttl.is_some() && file.budget.is_some()) {
        let name = match &file.name {
            Some(name) => format!(" of {}", quoted(name)),
            None => String::new(),
        };
        return Err(Error::invalid(format!(
            "{source}: both ttl and budget{name} are set, but each limits how long the VM runs"
        ))
        .with_hint("leave one of the two out"));
    }
    Ok(files)
}

/// Fills the missing keys of each VM from the keys next to the list. The budget there is split among the VMs that set
/// no TTL and no budget.
fn apply_common_keys(list: Vec<SpecFile>, common_keys: &SpecFile) -> Vec<SpecFile> {
    let count_vms = |file: &SpecFile| f64::from(file.count.or(common_keys.count).unwrap_or(1));
    let shares_budget = |file: &&SpecFile| file.ttl.is_none() && file.budget.is_none();
    let sharing_vms: f64 = list.iter().filter(shares_budget).map(count_vms).sum();
    let mut filled = Vec::new();
    for file in list {
        let share = match common_keys.budget {
            Some(budget) if shares_budget(&&file) => Some(budget * count_vms(&file) / sharing_vms),
            _ => None,
        };
        let mut file = file.with_defaults(common_keys);
        file.budget = share.or(file.budget);
        filled.push(file);
    }
    filled
}

/// Checks that several VMs have different names, which identify them in later runs.
fn check_names(files: &[SpecFile], source: &str) -> Result<()> {
    if files.is_empty() {
        return Err(Error::invalid(format!("{source}: the list `vm` is empty"))
            .with_hint("describe a VM in it, or leave it out"));
    }
    let mut names = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        match &file.name {
            None if files.len() > 1 => {
                return Err(
                    Error::invalid(format!("{source}: number {} of the list `vm` has no name", index + 1))
                        .with_hint("give each of several VMs a name of its own"),
                );
            }
            Some(name) if !names.insert(name) => {
                return Err(Error::invalid(format!("{source}: two VMs are called {}", quoted(name)))
                    .with_hint("give each of several VMs a name of its own, or use count for a group of the same"));
            }
            _ => {}
        }
    }
    Ok(())
}
