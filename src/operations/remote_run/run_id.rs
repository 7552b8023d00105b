//! The id of a run: a digest of what makes it the same run when the same line is run again.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cloud::{Error, Result, path_text};

/// A file or folder to copy to the instance before the command starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileToCopy {
    /// The file or folder on this machine.
    pub local: PathBuf,
    /// Where it belongs in the instance, relative to the home folder.
    pub remote: String,
}

/// How many characters of the digest an id has. It is the value of a label and the name of a folder.
const ID_LENGTH: usize = 32;

/// Computes the id from the name of the instance, the words of the command, the names of its variables, and the files to
/// copy with their contents. The values of the variables are no part of it: they may be secrets.
///
/// # Errors
/// `InvalidSpec` for a file that cannot be read.
pub fn compute_run_id(name: &str, command: &[String], variables: &[String], files: &[FileToCopy]) -> Result<String> {
    let mut digest = Sha256::new();
    let mut add = |part: &str, bytes: &[u8]| {
        digest.update(format!("{part} {}\n", bytes.len()));
        digest.update(bytes);
    };
    add("name", name.as_bytes());
    for word in command {
        add("word", word.as_bytes());
    }
    for variable in variables {
        add("variable", variable.as_bytes());
    }
    for file in files {
        let content = digest_path(&file.local).map_err(|(path, error)| unreadable_error(&path, &error))?;
        add("copy", file.remote.as_bytes());
        add("content", &content);
    }
    let mut id = hex::encode(digest.finalize());
    id.truncate(ID_LENGTH);
    Ok(id)
}

fn unreadable_error(path: &Path, error: &io::Error) -> Error {
    Error::invalid(format!("cannot read {} to copy it: {error}", path_text(path)))
        .with_hint("name a file or a folder that can be read")
}

/// The digest of a file, or of a folder with the names and contents of all that is in it. An error has the path that cannot
/// be read.
fn digest_path(path: &Path) -> std::result::Result<Vec<u8>, (PathBuf, io::Error)> {
    let with_path = |error| (path.to_owned(), error);
    let mut digest = Sha256::new();
    if !fs::metadata(path).map_err(with_path)?.is_dir() {
        let mut file = fs::File::open(path).map_err(with_path)?;
        let mut block = vec![0; 64 * 1024];
        loop {
            match file.read(&mut block).map_err(with_path)? {
                0 => return Ok(digest.finalize().to_vec()),
                length => digest.update(&block[..length]),
            }
        }
    }
    let entries = fs::read_dir(path).map_err(with_path)?;
    let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.map_err(with_path)?;
    names.sort_unstable();
    for name in names {
        let text = name.as_encoded_bytes();
        digest.update(format!("{}\n", text.len()));
        digest.update(text);
        let entry = path.join(&name);
        // A link to nothing, or to a folder above, is no reason to stop: its target is its content.
        let is_link = fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_symlink());
        match is_link {
            true => digest.update(fs::read_link(&entry).map_err(with_path)?.as_os_str().as_encoded_bytes()),
            false => digest.update(digest_path(&entry)?),
        }
    }
    Ok(digest.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_id_depends_on_each_part() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "1").unwrap();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let copy = |local: &Path| {
            [FileToCopy {
                local: local.to_owned(),
                remote: "x".to_owned(),
            }]
        };
        let id = compute_run_id("a", &words("b c"), &words("K"), &copy(folder.path())).unwrap();
        assert_eq!(
            id,
            compute_run_id("a", &words("b c"), &words("K"), &copy(folder.path())).unwrap()
        );
        let mut others = vec![
            compute_run_id("x", &words("b c"), &words("K"), &copy(folder.path())).unwrap(),
            compute_run_id("a", &["b c".to_owned()], &words("K"), &copy(folder.path())).unwrap(),
            compute_run_id("a", &words("b c"), &[], &copy(folder.path())).unwrap(),
            compute_run_id("a", &words("b c"), &words("K"), &copy(&file)).unwrap(),
        ];
        fs::write(&file, "2").unwrap();
        others.push(compute_run_id("a", &words("b c"), &words("K"), &copy(folder.path())).unwrap());
        others.push(id);
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 6);
        let missing = compute_run_id("a", &[], &[], &copy(&folder.path().join("y"))).unwrap_err();
        assert!(missing.message().contains("/y"), "{missing}");
    }
}
