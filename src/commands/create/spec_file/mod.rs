//! Reads a spec file, or standard input, and returns a description of each VM or group in it.

pub(super) mod field_values;
pub(super) mod merge;
pub(super) mod parse;
pub(super) mod schema;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::field_values::KeyValues;
use self::merge::{Document, SpecFile};
use self::parse::{Format, parse};
use self::schema::list_keys;
use crate::cloud::{Error, Result, path_text, quoted};
use crate::command_context::Context;
use crate::settings::{io_reason, utf8_text};

/// Larger files are refused.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The name of standard input on the command line.
const INPUT: &str = "-";

impl SpecFile {
    /// Reads a file, or standard input if `path` is `-`. Returns at least one description. If there are several, each has
    /// its own name.
    ///
    /// # Errors
    /// `InvalidSpec` if the file cannot be read or parsed, has an unknown key or has an invalid value. The message has
    /// file, line, column and key.
    pub(super) fn read(path: &Path, context: &mut Context) -> Result<Vec<Self>> {
        let is_input = path == Path::new(INPUT);
        let (bytes, source) = match is_input {
            true => (context.read_input(MAX_FILE_BYTES + 1), "standard input".to_owned()),
            false => (read_bytes(path), path_text(path)),
        };
        let bytes = bytes.map_err(|error| {
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
        let folder = match is_input {
            true => PathBuf::new(),
            false => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        parse_vms(text, (!is_input).then_some(path), &source, &folder)
    }
}

/// Reads a file up to one byte over the limit.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses the text of a file into a description of each VM.
fn parse_vms(text: &str, path: Option<&Path>, source: &str, folder: &Path) -> Result<Vec<SpecFile>> {
    // A failed template or pipe gives empty text. It must not create a VM with the default values.
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("the spec file {source} is empty"))
            .with_hint("write at least one key into it, such as the image"));
    }
    let document: KeyValues<Document> = parse(Format::detect(path, text), text, source, list_keys)?;
    let (common, list) = document.0.split();
    let has_list = list.is_some();
    let mut files: Vec<SpecFile> = match list {
        None => vec![common],
        Some(list) => apply_common_keys(list, &common),
    };
    for file in &mut files {
        folder.clone_into(&mut file.folder);
        source.clone_into(&mut file.source);
    }
    if has_list {
        check_names(&files, source)?;
    }
    if let Some(file) = files.iter().find(|file| file.ttl.is_some() && file.budget.is_some()) {
        let name = file
            .name
            .as_ref()
            .map(|name| format!(" of {}", quoted(name)))
            .unwrap_or_default();
        return Err(
            Error::invalid(format!("{source}: both ttl and budget{name} say how long it lives"))
                .with_hint("leave one of the two out"),
        );
    }
    Ok(files)
}

/// Fills the missing keys of each VM from the keys next to the list. The budget there is split among the VMs that set
/// no TTL and no budget.
fn apply_common_keys(list: Vec<SpecFile>, common: &SpecFile) -> Vec<SpecFile> {
    let count = |file: &SpecFile| f64::from(file.count.or(common.count).unwrap_or(1));
    let shares_budget = |file: &&SpecFile| file.ttl.is_none() && file.budget.is_none();
    let total: f64 = list.iter().filter(shares_budget).map(count).sum();
    let fill_keys = |file: SpecFile| {
        let share = common
            .budget
            .filter(|_| shares_budget(&&file))
            .map(|budget| budget * count(&file) / total);
        let mut file = file.with_defaults(common);
        file.budget = share.or(file.budget);
        file
    };
    list.into_iter().map(fill_keys).collect()
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
