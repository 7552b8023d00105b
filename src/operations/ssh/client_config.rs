//! The configuration that ssh is started with, in a file that only this user can read and that is gone afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::local_setup::SshVersion;
use crate::cloud::{Error, ErrorKind, Result, path_text, quoted};

/// What is set wherever the host key is checked. A user's own configuration must not change who answers.
pub(super) const HOST_KEY_OPTIONS: [&str; 7] = [
    "GlobalKnownHostsFile /dev/null",
    "HashKnownHosts no",
    "UpdateHostKeys no",
    "VerifyHostKeyDNS no",
    "CheckHostIP no",
    "NoHostAuthenticationForLocalhost no",
    "CanonicalizeHostname no",
];

/// The same, for the version of OpenSSH that has the option first. <https://www.openssh.com/releasenotes.html>
const HOST_KEY_OPTION_OF_LATER_VERSIONS: (SshVersion, &str) = ((8, 5), "KnownHostsCommand none");

/// What is set where cloudctl runs ssh, beside that. A user's own configuration must not change what the exit code and the
/// log mean.
const SESSION_OPTIONS: [&str; 10] = [
    "FingerprintHash sha256",
    // An open connection may be one to another machine.
    "ControlMaster no",
    "ControlPath none",
    "ControlPersist no",
    "RemoteCommand none",
    "PermitLocalCommand no",
    // The log is read for a host key that differs.
    "LogLevel INFO",
    "ConnectTimeout 15",
    "ServerAliveInterval 15",
    "ServerAliveCountMax 4",
];

/// The same, for the version of OpenSSH that has the option first.
const SESSION_OPTIONS_OF_LATER_VERSIONS: [(SshVersion, &str); 3] = [
    ((8, 7), "ForkAfterAuthentication no"),
    ((8, 7), "SessionType default"),
    ((8, 7), "StdinNull no"),
];

/// What ssh needs to know about the instances that it is started for.
pub(super) struct ClientConfig<'a> {
    /// The instances, each with another name.
    pub(super) hosts: Vec<HostConfig<'a>>,
    pub(super) known_hosts: &'a Path,
    /// Whether ssh may ask the user for something.
    pub(super) can_prompt: bool,
    /// The configurations for whatever is not set here.
    pub(super) other_configs: Vec<PathBuf>,
    pub(super) version: SshVersion,
}

/// What ssh needs to know about one instance.
#[derive(Clone)]
pub(super) struct HostConfig<'a> {
    /// The word that ssh is started for. It is the address or the id, so that the user's own configuration can name it,
    /// unless another instance has the same.
    pub(super) name: &'a str,
    /// The address or the id.
    pub(super) address: &'a str,
    pub(super) user: &'a str,
    pub(super) port: u16,
    pub(super) identity_file: Option<&'a Path>,
    /// The name of the instance among the known hosts.
    pub(super) host_alias: String,
    /// Whether to accept the first key of an instance that has none among the known hosts.
    pub(super) accepts_new_host_key: bool,
    pub(super) proxy_command: Option<&'a str>,
}

impl ClientConfig<'_> {
    /// Writes the file.
    ///
    /// # Errors
    /// `InvalidSpec` for a path that OpenSSH cannot read from a configuration; `Internal` for a value that would be more
    /// than one, and if the file cannot be written.
    pub(super) fn write(&self) -> Result<NamedTempFile> {
        let text = self.format()?;
        let write = || {
            // Only its owner can read it.
            let mut file = tempfile::Builder::new().prefix("cloudctl-ssh-").tempfile()?;
            file.write_all(text.as_bytes())?;
            file.flush()?;
            Ok(file)
        };
        write().map_err(|error: std::io::Error| {
            Error::new(
                ErrorKind::Internal,
                format!("cannot write the configuration for ssh: {error}"),
            )
        })
    }

    /// Of several values for an option the first one counts. What is set here holds for the instances alone, and not for a
    /// machine in between, for which ssh reads the same file. <https://man.openbsd.org/ssh_config>
    fn format(&self) -> Result<String> {
        let mut lines = Vec::new();
        for host in &self.hosts {
            lines.extend(host.format(&[host.name], self.known_hosts, self.version)?);
            lines.extend(SESSION_OPTIONS.map(str::to_owned));
            let later = SESSION_OPTIONS_OF_LATER_VERSIONS.into_iter();
            lines.extend(
                later
                    .filter(|(since, _)| self.version >= *since)
                    .map(|(_, option)| option.to_owned()),
            );
            if !self.can_prompt {
                lines.push("BatchMode yes".to_owned());
            }
        }
        lines.push("Host *".to_owned());
        for path in &self.other_configs {
            lines.push(format!("Include {}", quote_included_path(path)?));
        }
        check_lines(&lines)?;
        Ok(lines.join("\n") + "\n")
    }
}

impl HostConfig<'_> {
    /// The lines that hold for these names of the instance: where it is, who logs in, and which host keys it has. They end
    /// with no line of another host.
    ///
    /// # Errors
    /// As [`ClientConfig::write`].
    pub(super) fn format(&self, names: &[&str], known_hosts: &Path, version: SshVersion) -> Result<Vec<String>> {
        let checking = if self.accepts_new_host_key { "accept-new" } else { "yes" };
        let mut lines = vec![
            format!("Host {}", names.join(" ")),
            format!("HostName {}", self.address),
            format!("User {}", self.user),
            format!("Port {}", self.port),
            format!("HostKeyAlias {}", self.host_alias),
            format!("UserKnownHostsFile {}", quote_path(known_hosts)?),
            format!("StrictHostKeyChecking {checking}"),
        ];
        lines.extend(HOST_KEY_OPTIONS.map(str::to_owned));
        let (since, option) = HOST_KEY_OPTION_OF_LATER_VERSIONS;
        if version >= since {
            lines.push(option.to_owned());
        }
        if let Some(path) = self.identity_file {
            lines.push(format!("IdentityFile {}", quote_path(path)?));
        }
        if let Some(command) = self.proxy_command {
            lines.push(format!("ProxyCommand {command}"));
        }
        check_lines(&lines)?;
        Ok(lines)
    }
}

fn check_lines(lines: &[String]) -> Result<()> {
    match lines.iter().find(|line| line.chars().any(char::is_control)) {
        Some(line) => {
            let message = format!("a value for ssh has a control character: {}", quoted(line));
            Err(Error::new(ErrorKind::Internal, message))
        }
        None => Ok(()),
    }
}

/// Quotes a path for a configuration. ssh replaces what follows a `%`, and `${NAME}`.
pub(super) fn quote_path(path: &Path) -> Result<String> {
    match path
        .to_str()
        .filter(|text| !text.contains(['"', '\\']) && !text.contains("${"))
    {
        Some(text) => Ok(format!("\"{}\"", text.replace('%', "%%"))),
        None => Err(unreadable_path_error(path)),
    }
}

/// Quotes the path of an included file, which is a pattern. ssh replaces nothing else in it.
fn quote_included_path(path: &Path) -> Result<String> {
    match path
        .to_str()
        .filter(|text| !text.contains(['"', '\\', '[', ']', '*', '?', '$']))
    {
        Some(text) => Ok(format!("\"{text}\"")),
        None => Err(unreadable_path_error(path)),
    }
}

fn unreadable_path_error(path: &Path) -> Error {
    Error::invalid(format!(
        "ssh cannot read the path {} from its configuration: it has a special character",
        path_text(path)
    ))
    .with_hint("rename the file or its folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_or_refused() {
        assert_eq!(quote_path(Path::new("/a b/100%")).unwrap(), "\"/a b/100%%\"");
        assert_eq!(quote_included_path(Path::new("/a b/100%")).unwrap(), "\"/a b/100%\"");
        for path in ["/a\"b", "/a\\b", "/${HOME}"] {
            assert!(quote_path(Path::new(path)).is_err(), "{path}");
        }
        assert!(quote_included_path(Path::new("/a[1]/config")).is_err());
    }

    fn host<'a>() -> HostConfig<'a> {
        HostConfig {
            name: "203.0.113.7",
            address: "203.0.113.7",
            user: "ubuntu",
            port: 2222,
            identity_file: Some(Path::new("/home/ada/.ssh/id_ed25519")),
            host_alias: "cloudctl/aws/i-1".to_owned(),
            accepts_new_host_key: false,
            proxy_command: Some("nc %h %p"),
        }
    }

    fn config(hosts: Vec<HostConfig<'_>>) -> ClientConfig<'_> {
        ClientConfig {
            hosts,
            known_hosts: Path::new("/state/known_hosts"),
            can_prompt: false,
            other_configs: vec!["/home/ada/.ssh/config".into()],
            version: (8, 5),
        }
    }

    #[test]
    fn other_configurations_come_last_and_hold_for_all_hosts() {
        let text = config(vec![host()]).format().unwrap();
        let start = "Host 203.0.113.7\nHostName 203.0.113.7\nUser ubuntu\nPort 2222\n";
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.contains("\nStrictHostKeyChecking yes\n") && text.contains("\nProxyCommand nc %h %p\n"),
            "{text}"
        );
        assert!(
            text.contains("\nKnownHostsCommand none\n") && !text.contains("SessionType"),
            "{text}"
        );
        let end = "\nBatchMode yes\nHost *\nInclude \"/home/ada/.ssh/config\"\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn every_host_has_all_that_is_fixed() {
        let second = HostConfig {
            name: "cloudctl-2",
            host_alias: "cloudctl/aws/i-2".to_owned(),
            ..host()
        };
        let text = config(vec![host(), second]).format().unwrap();
        let blocks: Vec<_> = text.split("Host ").skip(1).collect();
        assert_eq!(blocks.len(), 3, "{text}");
        assert!(blocks[1].starts_with("cloudctl-2\nHostName 203.0.113.7\n"), "{text}");
        assert!(blocks[1].contains("\nHostKeyAlias cloudctl/aws/i-2\n"), "{text}");
        for option in HOST_KEY_OPTIONS.into_iter().chain(SESSION_OPTIONS) {
            assert!(blocks[0].contains(option) && blocks[1].contains(option), "{option}");
        }
    }

    #[test]
    fn value_with_a_line_break_is_refused() {
        for broken in [
            HostConfig {
                host_alias: "x\nProxyCommand y".to_owned(),
                ..host()
            },
            HostConfig {
                proxy_command: Some("x\ny"),
                ..host()
            },
        ] {
            let error = config(vec![broken]).format().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
        }
    }
}
