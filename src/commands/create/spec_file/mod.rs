//! Reading a spec file: from a folder or standard input, one VM or several.

pub(super) mod merge;
pub(super) mod parse;
pub(super) mod schema;
pub(super) mod values;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::merge::{Document, SpecFile};
use self::parse::{Format, parse};
use self::schema::keys;
use self::values::Keyed;
use crate::cloud::{Error, Result, path_text, quoted};
use crate::context::Context;
use crate::settings::{io_reason, utf8_text};

/// More than anybody writes.
const MOST_TEXT: u64 = 1024 * 1024;

/// The name of standard input on the command line.
const INPUT: &str = "-";

impl SpecFile {
    /// Reads a file, or standard input where `path` is `-`. Gives a description for each VM or group in it, at least one;
    /// each of several has a name of its own.
    ///
    /// # Errors
    /// `InvalidSpec` if it cannot be read, makes no sense, has an unknown key or a value of the wrong type; the message
    /// has file, line, column and key.
    pub(super) fn read(path: &Path, context: &mut Context) -> Result<Vec<Self>> {
        let is_input = path == Path::new(INPUT);
        let (bytes, shown) = match is_input {
            true => (context.read_input(MOST_TEXT + 1), "standard input".to_owned()),
            false => (bytes_of(path), path_text(path)),
        };
        let bytes = bytes.map_err(|error| {
            Error::invalid(format!("cannot read the spec file {shown}: {}", io_reason(&error)))
                .with_hint("pass a file that is there and can be read, or - for standard input")
        })?;
        if bytes.len() as u64 > MOST_TEXT {
            return Err(Error::invalid(format!("the spec file {shown} is over 1 MiB"))
                .with_hint("split it: each file can have several VMs"));
        }
        let text = utf8_text(&bytes).map_err(|not_text| {
            Error::invalid(format!("cannot read the spec file {shown}: {not_text}")).with_hint("save it as UTF-8")
        })?;
        let folder = match is_input {
            true => PathBuf::new(),
            false => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        of_text(text, (!is_input).then_some(path), &shown, &folder)
    }
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_TEXT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn of_text(text: &str, path: Option<&Path>, shown: &str, folder: &Path) -> Result<Vec<SpecFile>> {
    // A template or a pipe that came to nothing is no wish for a VM like any other.
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("the spec file {shown} is empty"))
            .with_hint("write at least one key into it, such as the image"));
    }
    let document: Keyed<Document> = parse(Format::of(path, text), text, shown, keys)?;
    let (beside, list) = document.0.split();
    let several = list.is_some();
    let mut files: Vec<SpecFile> = match list {
        None => vec![beside],
        Some(list) => with_defaults(list, &beside),
    };
    for file in &mut files {
        folder.clone_into(&mut file.folder);
        shown.clone_into(&mut file.source);
    }
    if several {
        check_names(&files, shown)?;
    }
    if let Some(file) = files.iter().find(|file| file.ttl.is_some() && file.budget.is_some()) {
        let name = file
            .name
            .as_ref()
            .map(|name| format!(" of {}", quoted(name)))
            .unwrap_or_default();
        return Err(
            Error::invalid(format!("{shown}: both ttl and budget{name} say how long it lives"))
                .with_hint("leave one of the two out"),
        );
    }
    Ok(files)
}

/// Each of a list, with what stands beside the list. A budget there is for all together that have no end of their own.
fn with_defaults(list: Vec<SpecFile>, beside: &SpecFile) -> Vec<SpecFile> {
    let count = |file: &SpecFile| f64::from(file.count.or(beside.count).unwrap_or(1));
    let shares = |file: &&SpecFile| file.ttl.is_none() && file.budget.is_none();
    let all: f64 = list.iter().filter(shares).map(count).sum();
    let with_share = |file: SpecFile| {
        let own = beside
            .budget
            .filter(|_| shares(&&file))
            .map(|budget| budget * count(&file) / all);
        let mut file = file.with_defaults(beside);
        file.budget = own.or(file.budget);
        file
    };
    list.into_iter().map(with_share).collect()
}

/// Names are what tells the VMs of a list apart, in this run and the next.
fn check_names(files: &[SpecFile], shown: &str) -> Result<()> {
    if files.is_empty() {
        return Err(Error::invalid(format!("{shown}: the list `vm` is empty"))
            .with_hint("describe a VM in it, or leave it out"));
    }
    let mut names = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        match &file.name {
            None if files.len() > 1 => {
                return Err(
                    Error::invalid(format!("{shown}: number {} of the list `vm` has no name", index + 1))
                        .with_hint("give each of several VMs a name of its own"),
                );
            }
            Some(name) if !names.insert(name) => {
                return Err(Error::invalid(format!("{shown}: two VMs are called {}", quoted(name)))
                    .with_hint("give each of several VMs a name of its own, or use count for a group of the same"));
            }
            _ => {}
        }
    }
    Ok(())
}
