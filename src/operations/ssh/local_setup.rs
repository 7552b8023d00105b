//! What this machine has for ssh: its programs, and the files that ssh reads.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::known_hosts::KnownHosts;
use super::route::Route;
use crate::cloud::{Error, ErrorKind, Result};

const INSTALL_HINT: &str = "install OpenSSH's client: `apt install openssh-client`, `dnf install openssh-clients`, or the \
                            same with another package manager";

/// The configuration of all users, which `ssh -F` leaves out.
const SYSTEM_CONFIG: &str = "/etc/ssh/ssh_config";

/// What this machine has for ssh.
#[derive(Clone, Debug)]
pub struct LocalSshSetup {
    /// The known host keys.
    pub known_hosts: KnownHosts,
    /// The home folder, for the user's own configuration of ssh.
    pub home: Option<PathBuf>,
    /// The folders with programs: the value of `PATH`.
    pub search_path: String,
}

/// The version of OpenSSH: 9.2 is `(9, 2)`.
pub(super) type SshVersion = (u32, u32);

impl LocalSshSetup {
    /// Finds ssh.
    ///
    /// # Errors
    /// `Internal` if it is not installed.
    pub(super) fn find_ssh(&self) -> Result<PathBuf> {
        self.require("ssh", ErrorKind::Internal, INSTALL_HINT)
    }

    /// Finds scp.
    ///
    /// # Errors
    /// `Internal` if it is not installed.
    pub(super) fn find_scp(&self) -> Result<PathBuf> {
        self.require("scp", ErrorKind::Internal, INSTALL_HINT)
    }

    /// Checks that ssh is installed.
    ///
    /// # Errors
    /// `Internal` if it is not.
    pub fn check_ssh(&self) -> Result<()> {
        self.find_ssh().map(drop)
    }

    /// Finds ssh-keygen, which comes with ssh.
    ///
    /// # Errors
    /// `Internal` if it is not installed.
    pub(super) fn find_keygen(&self) -> Result<PathBuf> {
        self.require("ssh-keygen", ErrorKind::Internal, INSTALL_HINT)
    }

    /// Checks that ssh and the program of a tunnel are installed.
    ///
    /// # Errors
    /// `Internal` if ssh is not; `InvalidSpec` if the program of the tunnel is not.
    pub(super) fn check_programs(&self, route: &Route) -> Result<()> {
        self.find_ssh()?;
        match route.tunnel {
            Some(tunnel) => self
                .require(tunnel.program, ErrorKind::InvalidSpec, tunnel.install_hint)
                .map(drop),
            None => Ok(()),
        }
    }

    fn require(&self, program: &str, missing: ErrorKind, hint: &str) -> Result<PathBuf> {
        find_program(&self.search_path, program).ok_or_else(|| {
            Error::new(missing, format!("there is no program {program} on this machine")).with_hint(hint)
        })
    }

    /// Asks ssh for its version, which decides what its configuration may have. `(0, 0)` if it does not say.
    pub(super) async fn ssh_version(&self) -> Result<SshVersion> {
        let mut process = Command::new(self.find_ssh()?);
        let output = process.arg("-V").stdin(Stdio::null()).output().await;
        let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        Ok(parse_version(&text.unwrap_or_default()).unwrap_or_default())
    }

    /// The configurations that count for what cloudctl does not set: the user's, then that of the machine.
    pub(super) fn other_configs(&self) -> Vec<PathBuf> {
        let users = self.home.as_ref().map(|home| home.join(".ssh/config"));
        let all = users.into_iter().chain([PathBuf::from(SYSTEM_CONFIG)]);
        all.filter(|path| path.is_file()).collect()
    }
}

/// Finds a program that can be run in the folders of `PATH`.
fn find_program(search_path: &str, name: &str) -> Option<PathBuf> {
    let folders = search_path.split(':').filter(|folder| !folder.is_empty());
    folders
        .map(|folder| Path::new(folder).join(name))
        .find(|path| can_be_run(path))
}

#[cfg(unix)]
fn can_be_run(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn can_be_run(path: &Path) -> bool {
    path.is_file()
}

/// Parses `OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.15`.
fn parse_version(text: &str) -> Option<SshVersion> {
    let (_, version) = text.split_once("OpenSSH_")?;
    let (major, rest) = version.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let major = major.rsplit('_').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn program_is_found_if_it_can_be_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        std::fs::write(&tool, "").unwrap();
        let path = format!("/nowhere::{}", folder.path().display());
        assert_eq!(find_program(&path, "tool"), None);
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(&path, "tool"), Some(tool));
        assert_eq!(find_program(&path, "other"), None);
    }

    #[test]
    fn version_of_openssh_is_read() {
        for (text, version) in [
            ("OpenSSH_9.2p1 Debian-2+deb12u5, OpenSSL 3.0.15", Some((9, 2))),
            ("OpenSSH_10.0p2, LibreSSL 3.3.6", Some((10, 0))),
            ("OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2", Some((9, 5))),
            ("Dropbear v2022.83", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }
}
