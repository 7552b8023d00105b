//! A file or folder that comes from an instance: hidden until all of it is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::copy_paths::{check_file_to_write, folder_of, local_write_error};
use crate::cloud::{Error, Result, path_text};

/// A place for a file or folder that arrives, in a hidden folder on the file system of its target. It is deleted with this,
/// unless [`ArrivingFile::finish`] gave it its name.
pub(super) struct ArrivingFile {
    hidden: TempDir,
    path: PathBuf,
    target: PathBuf,
}

impl ArrivingFile {
    /// Prepares a place for a source with this name; without a name, the content of a folder arrives. In an existing folder
    /// the source gets its name, elsewhere that of the destination.
    ///
    /// # Errors
    /// `InvalidSpec` if the destination cannot be written; `Internal` for other failures of the file system.
    pub(super) fn prepare(destination: &Path, name: Option<&str>) -> Result<Self> {
        let mut target = match name {
            Some(name) if destination.is_dir() => destination.join(name),
            _ => destination.to_owned(),
        };
        // As with cp, a link stays, and what it leads to is replaced.
        if target.is_symlink()
            && let Ok(end) = target.canonicalize()
        {
            target = end;
        }
        check_file_to_write(&target)?;
        let folder = match target.is_dir() {
            true => target.clone(),
            false => folder_of(&target),
        };
        let hidden = tempfile::Builder::new().prefix(".cloudctl-cp-").tempdir_in(&folder);
        // The error itself names the hidden folder, which nobody knows.
        let hidden = hidden.map_err(|error| local_write_error(&folder, &error.kind().into()))?;
        let absolute = std::path::absolute(hidden.path()).unwrap_or_else(|_| hidden.path().to_owned());
        Ok(Self {
            path: absolute.join(name.unwrap_or("content")),
            hidden,
            target,
        })
    }

    /// Where it arrives. There is nothing yet.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder with something in it.
    pub(super) fn is_filled_folder(&self) -> bool {
        fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Gives what has arrived its name. A file replaces one that is there, with that one's permissions; a folder is joined
    /// with one that is there.
    ///
    /// # Errors
    /// `InvalidSpec` if a folder has the name of a file, or the other way round; `Internal` for other failures.
    pub(super) fn finish(&self) -> Result<()> {
        put(&self.path, &self.target)
    }

    /// Names the target in the place of the hidden file.
    pub(super) fn name_target_in(&self, text: &str) -> String {
        text.replace(&*self.path.to_string_lossy(), &self.target.to_string_lossy())
    }
}

impl Drop for ArrivingFile {
    fn drop(&mut self) {
        if fs::remove_dir_all(self.hidden.path()).is_err() {
            // A folder of an instance can be one that cannot be written.
            allow_changes(self.hidden.path());
            let _ = fs::remove_dir_all(self.hidden.path());
        }
    }
}

fn put(from: &Path, to: &Path) -> Result<()> {
    let failed = |error: io::Error| local_write_error(to, &error);
    let has_folder = to.is_dir();
    if !from.symlink_metadata().map_err(failed)?.is_dir() {
        if has_folder {
            return Err(wrong_kind_error(to, "a folder", "a file"));
        }
        keep_owner_and_mode(from, to);
        return fs::rename(from, to).map_err(failed);
    }
    if !has_folder {
        return match to.symlink_metadata().is_ok() {
            true => Err(wrong_kind_error(to, "a file", "a folder")),
            false => rename_folder(from, to).map_err(failed),
        };
    }
    make_writable(from);
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        put(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn wrong_kind_error(target: &Path, there: &str, arriving: &str) -> Error {
    Error::invalid(format!(
        "{} is {there}, and {arriving} was to be copied to it",
        path_text(target)
    ))
    .with_hint("name another path, or remove it first")
}

#[cfg(unix)]
fn keep_owner_and_mode(from: &Path, to: &Path) {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let Ok(existing) = to.metadata() else { return };
    // Only root can give a file to another user.
    let _ = chown(from, Some(existing.uid()), Some(existing.gid()));
    let _ = fs::set_permissions(from, existing.permissions());
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_from: &Path, _to: &Path) {}

/// Moves a folder to another one, for which it must be writable.
fn rename_folder(from: &Path, to: &Path) -> io::Result<()> {
    let permissions = fs::metadata(from)?.permissions();
    if permissions.readonly() {
        make_writable(from);
    }
    fs::rename(from, to)?;
    fs::set_permissions(to, permissions)
}

#[cfg(unix)]
fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if let Ok(metadata) = fs::metadata(folder) {
        let mode = metadata.permissions().mode() | 0o700;
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(mode));
    }
}

#[cfg(not(unix))]
fn make_writable(_folder: &Path) {}

fn allow_changes(folder: &Path) {
    make_writable(folder);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            allow_changes(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        fs::write(&target, "old").unwrap();
        let arriving = ArrivingFile::prepare(&target, Some("x")).unwrap();
        fs::write(arriving.path(), "ne").unwrap();
        drop(arriving);
        assert_eq!(names(folder.path()), ["out"]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    }

    #[test]
    fn finished_file_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let arriving = ArrivingFile::prepare(folder.path(), Some("x")).unwrap();
        fs::write(arriving.path(), "new").unwrap();
        arriving.finish().unwrap();
        drop(arriving);
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn folder_is_joined_with_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("logs");
        fs::create_dir(&old).unwrap();
        for (name, text) in [("a", "old"), ("b", "old")] {
            fs::write(old.join(name), text).unwrap();
        }
        let arriving = ArrivingFile::prepare(folder.path(), Some("logs")).unwrap();
        fs::create_dir_all(arriving.path().join("sub")).unwrap();
        fs::write(arriving.path().join("b"), "new").unwrap();
        fs::write(arriving.path().join("sub/c"), "new").unwrap();
        arriving.finish().unwrap();
        drop(arriving);
        assert_eq!(names(folder.path()), ["logs"]);
        assert_eq!(names(&old), ["a", "b", "sub"]);
        assert_eq!(fs::read_to_string(old.join("b")).unwrap(), "new");
    }

    #[test]
    fn file_does_not_replace_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("x")).unwrap();
        let arriving = ArrivingFile::prepare(folder.path(), Some("x")).unwrap();
        fs::write(arriving.path(), "new").unwrap();
        assert!(arriving.finish().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn replaced_file_keeps_its_mode_and_a_link_stays() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let arriving = ArrivingFile::prepare(&link, Some("x")).unwrap();
        fs::write(arriving.path(), "new").unwrap();
        arriving.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
}
