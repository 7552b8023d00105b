//! The paths of a copy: what scp gets for them, and what is refused before a connection.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::cloud::{Error, ErrorKind, Result, path_text, quoted};

/// What scp gets for a path of this machine. It takes one with a colon before the first slash as one of another machine.
pub(super) fn local_operand(path: &Path) -> OsString {
    match path.is_absolute() {
        true => path.as_os_str().to_owned(),
        false => Path::new(".").join(path).into_os_string(),
    }
}

/// What scp gets for a path of an instance. It takes a source as a pattern.
pub(super) fn remote_operand(host: &str, path: &str, is_source: bool) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    if !is_source {
        return format!("{host}:{path}");
    }
    let mut literal = String::new();
    for character in path.chars() {
        if matches!(character, '\\' | '*' | '?' | '[') {
            literal.push('\\');
        }
        literal.push(character);
    }
    format!("{host}:{literal}")
}

/// The name that a source has in a folder that it is copied to; `None` for a folder whose content is meant: `.`, `/`, or the
/// home folder of a user of an instance.
///
/// # Errors
/// `InvalidSpec` for `..`, whose copy would be outside of that folder, and for a folder without `recursive`.
pub(super) fn name_of_source(path: &str, recursive: bool) -> Result<Option<String>> {
    let trimmed = path.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or_default();
    if name == ".." {
        return Err(
            Error::invalid(format!("{} has no name of its own", quoted(path))).with_hint("name the folder itself")
        );
    }
    let is_folder = matches!(name, "" | "." | "~") || path.ends_with('/');
    if is_folder && !recursive {
        return Err(folder_error(path));
    }
    if path.contains('\0') {
        return Err(Error::invalid(format!("{} cannot be a path", quoted(path))));
    }
    // Where a name can begin with a drive, it must not lead elsewhere.
    let components: Vec<_> = Path::new(name).components().collect();
    let is_plain = matches!(components.as_slice(), [std::path::Component::Normal(_)]);
    match name {
        "" | "." | "~" => Ok(None),
        _ if !is_plain => Err(
            Error::invalid(format!("{} cannot be a name on this machine", quoted(name)))
                .with_hint("give it another name in the VM"),
        ),
        _ => Ok(Some(name.to_owned())),
    }
}

/// Finds a name that two sources have.
pub(super) fn source_name_conflict(names: &[Option<String>]) -> Option<&str> {
    let mut names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

fn folder_error(path: &str) -> Error {
    let shown = if path.is_empty() {
        "the home folder".to_owned()
    } else {
        path_text(path)
    };
    Error::invalid(format!("{shown} is a folder")).with_hint("copy folders with -r")
}

/// Checks the paths of this machine, before anything is called: `sources`, and the destination of `count` sources in all.
///
/// # Errors
/// `InvalidSpec` for a source with a destination that is here, too, one that does not exist or cannot be read, a folder without `recursive`, and a destination that
/// cannot be written, or that is no folder for several sources.
pub fn check_local_paths(sources: &[&Path], destination: Option<&Path>, count: usize, recursive: bool) -> Result<()> {
    if let (Some(source), Some(destination)) = (sources.first(), destination) {
        let (source, destination) = (path_text(source), path_text(destination));
        return Err(
            Error::invalid(format!("{source} and {destination} are both on this machine"))
                .with_hint("copy them with the system's own `cp`"),
        );
    }
    for source in sources {
        check_source(source, recursive)?;
    }
    match destination {
        Some(destination) => check_destination(destination, count),
        None => Ok(()),
    }
}

fn check_source(path: &Path, recursive: bool) -> Result<()> {
    refuse_standard_stream(path)?;
    let shown = path_text(path);
    let metadata = path.metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::invalid(format!("there is no file {shown}"))
            .with_hint("correct the path; a path in a VM begins with the VM's name and a colon: web-1:/tmp/file"),
        _ => Error::invalid(format!("cannot read {shown}: {error}")).with_hint("correct the path or its permissions"),
    })?;
    if metadata.is_dir() {
        return match recursive {
            true => Ok(()),
            false => Err(folder_error(&path.to_string_lossy())),
        };
    }
    if !metadata.is_file() {
        return Err(Error::invalid(format!("{shown} is neither a file nor a folder"))
            .with_hint("write what it gives to a file first"));
    }
    File::open(path).map(drop).map_err(|error| {
        Error::invalid(format!("cannot read {shown}: {error}")).with_hint("correct the path or its permissions")
    })
}

fn check_destination(path: &Path, count: usize) -> Result<()> {
    refuse_standard_stream(path)?;
    let shown = path_text(path);
    if path.is_dir() {
        return Ok(());
    }
    if path.to_string_lossy().ends_with('/') {
        return Err(Error::invalid(format!("there is no folder {shown}")).with_hint(format!("make it: mkdir {shown}")));
    }
    if count > 1 {
        return Err(
            Error::invalid(format!("{shown} is not a folder, and several sources are to be copied"))
                .with_hint("name a folder as the last path"),
        );
    }
    check_file_to_write(path)?;
    let folder = folder_of(path);
    match folder.is_dir() {
        true => Ok(()),
        false => Err(Error::invalid(format!("there is no folder {}", path_text(&folder)))
            .with_hint("make it first, or correct the path")),
    }
}

/// Checks that a path can be written as a file: there is none, or a file that may be replaced.
pub(super) fn check_file_to_write(path: &Path) -> Result<()> {
    let shown = path_text(path);
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {
            let opened = OpenOptions::new().write(true).open(path);
            opened.map(drop).map_err(|error| local_write_error(path, &error))
        }
        Ok(metadata) if !metadata.is_dir() => Err(Error::invalid(format!("{shown} is neither a file nor a folder"))
            .with_hint("print a file of a VM with: cloudctl ssh NAME -- cat FILE")),
        _ => Ok(()),
    }
}

/// Creates the error for a local file or folder that cannot be written.
pub(super) fn local_write_error(path: &Path, error: &io::Error) -> Error {
    let message = format!("cannot write {}: {error}", path_text(path));
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory => {
            Error::invalid(message).with_hint("name another path, or correct its permissions")
        }
        _ => Error::new(ErrorKind::Internal, message),
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_owned(),
        None => path.to_owned(),
    }
}

fn refuse_standard_stream(path: &Path) -> Result<()> {
    match path == Path::new("-") {
        true => Err(Error::invalid("standard input and output cannot be copied")
            .with_hint("pass them through ssh: cloudctl ssh NAME -- cat FILE; a file with the name - is ./-")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_path_is_no_option_and_no_host() {
        for (path, operand) in [
            ("a:b", "./a:b"),
            ("-x", "./-x"),
            ("[a]:b", "./[a]:b"),
            ("/tmp/a:b", "/tmp/a:b"),
        ] {
            assert_eq!(local_operand(Path::new(path)), operand, "{path}");
        }
    }

    #[test]
    fn remote_path_is_no_pattern() {
        assert_eq!(
            remote_operand("10.0.0.1", "/a/*[x]?\\", true),
            "10.0.0.1:/a/\\*\\[x]\\?\\\\"
        );
        assert_eq!(remote_operand("10.0.0.1", "/a/*", false), "10.0.0.1:/a/*");
        assert_eq!(remote_operand("::1", "-x", true), "[::1]:-x");
    }

    #[test]
    fn source_has_a_name_or_its_content_is_meant() {
        for (path, name) in [
            ("/tmp/x", Some("x")),
            ("/tmp/x/", Some("x")),
            ("a b", Some("a b")),
            ("", None),
            ("/", None),
            ("/tmp/.", None),
            ("~/", None),
        ] {
            assert_eq!(name_of_source(path, true).unwrap().as_deref(), name, "{path}");
        }
        for path in ["..", "/tmp/..", "../", "a\0b"] {
            assert!(name_of_source(path, true).is_err(), "{path}");
        }
        for path in ["", "/tmp/", "."] {
            assert!(name_of_source(path, false).is_err(), "{path}");
        }
    }

    #[test]
    fn two_sources_with_one_name_are_found() {
        let names = ["b", "a", "b"].map(|name| Some(name.to_owned()));
        assert_eq!(source_name_conflict(&names), Some("b"));
        assert_eq!(source_name_conflict(&names[..2]), None);
        assert_eq!(source_name_conflict(&[None, None]), None);
    }
}
