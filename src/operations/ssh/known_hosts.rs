//! The file of the host keys that were seen or published: one line for each key, by the id of its instance.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::cloud::{Error, ErrorKind, HostKey, InstanceRef, Result, path_text};

/// The word before the login user in the comment of a line.
const USER: &str = "user=";

/// The file. It has the form of OpenSSH's `known_hosts`, and ssh reads it.
/// <https://man.openbsd.org/sshd#SSH_KNOWN_HOSTS_FILE_FORMAT>
#[derive(Clone, Debug)]
pub struct KnownHosts {
    path: PathBuf,
}

/// What is known of an instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KnownHost {
    pub(super) keys: Vec<HostKey>,
    /// The login user that its cloud told, where it did.
    pub(super) user: Option<String>,
}

impl KnownHost {
    /// Adds what comes after the name in a line.
    fn add_line(&mut self, rest: &str) {
        self.keys.extend(HostKey::parse(rest));
        let mut words = rest.split_whitespace().skip(2);
        if let Some(user) = words.find_map(|word| word.strip_prefix(USER)) {
            self.user = Some(user.to_owned());
        }
    }
}

impl KnownHosts {
    /// The file at this path. It need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds what is known of an instance; nothing without a file.
    ///
    /// # Errors
    /// `Internal` if the file cannot be read.
    pub(super) fn find(&self, instance: &InstanceRef) -> Result<KnownHost> {
        let text = self.read()?;
        let alias = host_alias(instance);
        let mut found = KnownHost::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix(&alias).filter(|rest| rest.starts_with(' ')) {
                found.add_line(rest);
            }
        }
        Ok(found)
    }

    /// Finds what is known of all instances, by their names in the file; nothing without a file.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(super) fn read_all(&self) -> Result<HashMap<String, KnownHost>> {
        let mut all: HashMap<String, KnownHost> = HashMap::new();
        for (alias, rest) in self.read()?.lines().filter_map(|line| line.split_once(' ')) {
            all.entry(alias.to_owned()).or_default().add_line(rest);
        }
        Ok(all)
    }

    fn read(&self) -> Result<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(self.error("read", &error)),
        }
    }

    /// Adds the keys of an instance that are not there yet. Runs at the same time each add theirs.
    ///
    /// # Errors
    /// `Internal` if the file cannot be written.
    pub(super) fn add(&self, instance: &InstanceRef, keys: &[HostKey], user: Option<&str>) -> Result<()> {
        let comment = user.map(|user| format!(" {USER}{user}")).unwrap_or_default();
        let alias = host_alias(instance);
        let add_lines = || {
            let mut file = self.open_locked()?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            let mut lines = String::new();
            if !text.is_empty() && !text.ends_with('\n') {
                lines.push('\n');
            }
            for key in keys {
                let line = format!("{alias} {key}");
                if !text.lines().any(|known| known.starts_with(&line)) {
                    lines.push_str(&format!("{line}{comment}\n"));
                }
            }
            file.write_all(lines.as_bytes())
        };
        add_lines().map_err(|error| self.error("write", &error))
    }

    /// Creates the file and its folder, so that ssh can add a key to it.
    ///
    /// # Errors
    /// `Internal` if it cannot be created.
    pub(super) fn create(&self) -> Result<()> {
        self.open_locked()
            .map(drop)
            .map_err(|error| self.error("create", &error))
    }

    /// Opens the file for appending, for this run alone.
    fn open_locked(&self) -> io::Result<File> {
        let (mut builder, mut options) = (DirBuilder::new(), OpenOptions::new());
        builder.recursive(true);
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        {
            // Who can write it decides which keys are trusted.
            use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
            builder.mode(0o700);
            options.mode(0o600);
        }
        if let Some(folder) = self.path.parent() {
            builder.create(folder)?;
        }
        let file = options.open(&self.path)?;
        file.lock()?;
        Ok(file)
    }

    fn error(&self, verb: &str, error: &io::Error) -> Error {
        let message = format!("cannot {verb} the host keys in {}: {error}", path_text(&self.path));
        Error::new(ErrorKind::Internal, message).with_hint("set XDG_STATE_HOME to a folder that can be written")
    }
}

/// The name of an instance in the file, and in `HostKeyAlias`. Its address can belong to another instance tomorrow, its id
/// cannot.
pub(super) fn host_alias(instance: &InstanceRef) -> String {
    format!("cloudctl/{}/{}", instance.provider, instance.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Instance, ProviderKind};

    #[test]
    fn host_is_found_with_its_keys_and_user() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::new(folder.path().join("cloudctl/known_hosts"));
        let instance = |id: &str| Instance::with_id_only(ProviderKind::Mock, "eu".to_owned(), id.to_owned()).reference;
        let key = |end: char| {
            let line = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkFcXi3XI5mjUOw7XdtfZyD+X2rSLsv2RVU6cbPDOh{end}");
            HostKey::parse(&line).unwrap()
        };
        assert_eq!(hosts.find(&instance("m-1")).unwrap(), KnownHost::default());
        hosts.add(&instance("m-1"), &[key('I')], Some("ubuntu")).unwrap();
        hosts
            .add(&instance("m-1"), &[key('I'), key('E')], Some("ubuntu"))
            .unwrap();
        hosts.add(&instance("m-12"), &[key('A')], None).unwrap();
        let found = hosts.find(&instance("m-1")).unwrap();
        assert_eq!(
            (found.keys, found.user.as_deref()),
            (vec![key('I'), key('E')], Some("ubuntu"))
        );
        assert_eq!(hosts.find(&instance("m-12")).unwrap().user, None);
    }
}
