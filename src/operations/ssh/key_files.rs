//! A key pair that cloudctl makes for a machine that has none, such as one of a CI pipeline.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::local_setup::LocalSshSetup;
use crate::cloud::{Error, ErrorKind, Result, path_text};

/// The files of the key pair. They need not exist.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    private: PathBuf,
}

impl KeyFiles {
    /// The files in the folder of cloudctl's state.
    pub fn in_folder(state_folder: &Path) -> Self {
        Self {
            private: state_folder.join("run_key/key"),
        }
    }

    /// The private key's file, and the public key in OpenSSH's one-line form; `None` if there is none.
    pub fn read(&self) -> Option<(PathBuf, String)> {
        let public = fs::read_to_string(self.private.with_extension("pub")).ok()?;
        Some((self.private.clone(), public.trim().to_owned()))
    }

    /// Makes the key with `ssh-keygen`, unless it is there.
    ///
    /// # Errors
    /// `Internal` if OpenSSH is not installed, or the files cannot be written.
    pub async fn read_or_make(&self, setup: &LocalSshSetup) -> Result<(PathBuf, String)> {
        if let Some(key) = self.read() {
            return Ok(key);
        }
        let cannot_make = |problem: String| {
            let message = format!("cannot make an SSH key in {}: {problem}", path_text(&self.private));
            Error::new(ErrorKind::Internal, message).with_hint("make one yourself: ssh-keygen -t ed25519")
        };
        let folder = self.private.parent().unwrap_or(Path::new("."));
        let state_folder = folder.parent().unwrap_or(folder);
        let own = fs::create_dir_all(state_folder)
            .and_then(|()| tempfile::Builder::new().prefix("run_key-").tempdir_in(state_folder))
            .map_err(|error| cannot_make(error.to_string()))?;
        let new = own.path().join("key");
        let mut process = Command::new(setup.find_keygen()?);
        process
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "cloudctl", "-f"])
            .arg(&new);
        let output = process.stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| cannot_make(error.to_string()))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(cannot_make(text.lines().next().unwrap_or_default().to_owned()));
        }
        // Another run may make one at the same time: the first folder stays.
        let moved = fs::rename(own.path(), folder);
        self.read().ok_or_else(|| {
            let problem = moved.err().map(|error| error.to_string());
            cannot_make(problem.unwrap_or_else(|| "the files are not there".to_owned()))
        })
    }
}
