//! Why scp failed: from its own words and ssh's log.

use std::process::ExitStatus;

use super::known_hosts::KnownHosts;
use super::session::{CANNOT_CONNECT, Connection, VERIFICATION_FAILED, other_host_key_error};
use crate::cloud::{Error, ErrorKind};

/// The name of scp, which it puts before what it says.
pub(super) const PROGRAM: &str = "scp";

/// The most of scp's lines that a message has.
const MAX_LINES: usize = 5;
/// The most characters of each: paths can be long.
const MAX_LINE_CHARACTERS: usize = 400;

/// A run of scp that has ended.
pub(super) struct ScpRun<'a, 'run> {
    pub(super) status: ExitStatus,
    /// What scp wrote to standard error, and the server.
    pub(super) words: String,
    /// What ssh wrote to its log.
    pub(super) log: String,
    pub(super) hosts: &'run [(String, &'a Connection)],
    pub(super) known_hosts: &'run KnownHosts,
    /// Whether folders were to be copied.
    pub(super) is_recursive: bool,
}

/// Where files were copied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToInstance,
    FromInstance,
}

/// Why a run failed.
pub(super) enum Failure<'a> {
    /// Nothing answers at the address of an instance, so that nothing was sent.
    NoAnswer(&'a Connection, Error),
    /// A part of a folder could not be read. Every file that was written is whole.
    Partial(Error),
    /// Anything else.
    Other(Error),
}

impl<'a> ScpRun<'a, '_> {
    /// Why it failed; `None` if it did not.
    pub(super) fn failure(&self, direction: Direction) -> Option<Failure<'a>> {
        if self.status.success() {
            // It leaves names out with which a server would write elsewhere.
            return (!self.scp_lines().is_empty()).then(|| Failure::Partial(self.file_error(direction)));
        }
        if self.log_lines().any(|line| line == VERIFICATION_FAILED) {
            let error = other_host_key_error(self.find_refused(), self.known_hosts, &self.log);
            return Some(Failure::Other(error));
        }
        Some(match self.is_broken() {
            true => self.connection_failure(),
            false => self.file_failure(direction),
        })
    }

    fn log_lines(&self) -> impl Iterator<Item = &str> {
        self.log.lines().map(str::trim).filter(|line| !line.is_empty())
    }

    /// What scp said, without its name.
    fn scp_lines(&self) -> Vec<&str> {
        let lines = self.words.lines().map(str::trim);
        lines
            .filter_map(|line| line.strip_prefix(PROGRAM)?.strip_prefix(": "))
            .collect()
    }

    /// The instance whose host key was refused. ssh names it by its name among the known hosts.
    fn find_refused(&self) -> &'a Connection {
        let is_named = |connection: &Connection| {
            let alias = connection.host_alias();
            self.log_lines()
                .any(|line| line.contains("strict checking") && line.split_whitespace().any(|word| word == alias))
        };
        let named = self.hosts.iter().find(|(_, connection)| is_named(connection));
        // There is a host in every copy.
        named.unwrap_or(&self.hosts[0]).1
    }

    /// Whether a connection failed, or broke. Both programs say so, and either can be the first to notice it.
    fn is_broken(&self) -> bool {
        let is_of_scp = |line: &str| {
            let starts = ["Read packet: ", "Couldn't read packet: ", "Couldn't send packet: "];
            matches!(line, "Connection closed" | "Connection reset by peer")
                || starts.iter().any(|start| line.starts_with(start))
        };
        let is_of_ssh = |line: &str| {
            let starts = ["client_loop: ", "Timeout, server "];
            starts.iter().any(|start| line.starts_with(start))
        };
        self.scp_lines().into_iter().any(is_of_scp)
            || self.log_lines().any(is_of_ssh)
            || self.words.lines().any(|line| line.trim() == "lost connection")
    }

    fn connection_failure(&self) -> Failure<'a> {
        let instances = self.describe_instances();
        // The connection that failed is the last one that was opened.
        let cause = self.log_lines().last().map(str::to_owned).or_else(|| {
            let mut lines = self.words.lines().map(str::trim);
            lines
                .rfind(|line| line.starts_with("Connection to ") || line.starts_with("client_loop: "))
                .map(str::to_owned)
        });
        let cause = cause.unwrap_or_else(|| "the connection was closed".to_owned());
        let message = format!("the connection to {instances} failed: {cause}");
        if let Some(line) = self.log_lines().find(|line| line.starts_with(CANNOT_CONNECT)) {
            let target = line.trim_start_matches(CANNOT_CONNECT);
            let error = Error::new(ErrorKind::Network, message);
            let is_target = |connection: &Connection| {
                let start = format!("{} port {}:", connection.route.host, connection.port);
                target.starts_with(&start) && connection.route.proxy_command.is_none()
            };
            return match self.hosts.iter().find(|(_, connection)| is_target(connection)) {
                Some((_, connection)) => Failure::NoAnswer(connection, error),
                // A machine in between.
                None => Failure::Other(error),
            };
        }
        if cause.contains(": Permission denied (") {
            return Failure::Other(
                Error::new(ErrorKind::PermissionDenied, message)
                    .with_hint("name the private key with -i, or the user with --user"),
            );
        }
        if cause.starts_with("subsystem request failed") {
            let message = format!("{instances} has no SFTP server, which scp needs");
            return Failure::Other(Error::new(ErrorKind::Internal, message).with_hint(
                "install openssh-sftp-server in the VM, or copy through a pipe: cloudctl ssh NAME -- cat FILE > FILE",
            ));
        }
        Failure::Other(
            Error::new(ErrorKind::Network, message)
                .with_hint("run the same command again; a file that came from a VM only in part was deleted"),
        )
    }

    fn file_failure(&self, direction: Direction) -> Failure<'a> {
        let error = self.file_error(direction);
        match self.is_recursive && is_of_unread(&self.scp_lines(), direction) {
            true => Failure::Partial(error),
            false => Failure::Other(error),
        }
    }

    fn file_error(&self, direction: Direction) -> Error {
        let lines = self.scp_lines();
        let first = lines.first().copied().unwrap_or_default();
        let kind = kind_of(first);
        let mut shown: Vec<&str> = lines.iter().copied().take(MAX_LINES).collect();
        if shown.is_empty() {
            shown = self.words.lines().chain(self.log_lines()).take(MAX_LINES).collect();
        }
        let clipped: Vec<String> = shown.iter().map(|line| clip(line)).collect();
        let mut text = clipped.join("; ");
        if text.is_empty() {
            text = format!("scp gives no reason ({})", self.status);
        }
        if lines.len() > MAX_LINES {
            text.push_str(&format!("; and {} more", lines.len() - MAX_LINES));
        }
        let instances = self.describe_instances();
        let error = Error::new(
            kind,
            match direction {
                Direction::FromInstance => format!("cannot copy from {instances}: {text}"),
                Direction::ToInstance => format!("cannot copy to {instances}: {text}"),
            },
        );
        match kind {
            ErrorKind::InvalidSpec if first.ends_with("not a regular file") => {
                error.with_hint(match self.is_recursive {
                    true => "only files and folders can be copied",
                    false => "copy folders with -r",
                })
            }
            ErrorKind::InvalidSpec => error.with_hint("name a folder as the last path"),
            ErrorKind::NotFound => error.with_hint("see what is there: cloudctl ssh NAME -- ls FOLDER"),
            ErrorKind::PermissionDenied => {
                error.with_hint("copy to a folder of the user, or log in as another user with --user")
            }
            _ => error.with_hint("correct what scp names, and run the same command again"),
        }
    }

    fn describe_instances(&self) -> String {
        let references = self
            .hosts
            .iter()
            .map(|(_, connection)| connection.instance.reference.to_string());
        references.collect::<Vec<_>>().join(" and ")
    }
}

/// The beginning of a long line, and its end, which has the reason.
fn clip(line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    if characters.len() <= MAX_LINE_CHARACTERS {
        return line.to_owned();
    }
    let half = MAX_LINE_CHARACTERS / 2;
    let (start, end) = (&characters[..half], &characters[characters.len() - half..]);
    start.iter().chain(&['…']).chain(end).collect()
}

/// The kind of a failure that scp describes so. The words are those of the SFTP protocol, the same on every server.
/// <https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02#section-7>
fn kind_of(line: &str) -> ErrorKind {
    // A local folder that changes during the copy, or a disk.
    let is_local = ["open local ", "write local ", "local ", "stat local ", "mkdir "]
        .iter()
        .any(|start| line.starts_with(start));
    if line.ends_with("not a regular file") || line.ends_with("is not a directory") {
        ErrorKind::InvalidSpec
    } else if is_local {
        ErrorKind::Internal
    } else if line.ends_with("No such file or directory") || line.ends_with("no such user") {
        ErrorKind::NotFound
    } else if line.ends_with("Permission denied") {
        ErrorKind::PermissionDenied
    } else {
        ErrorKind::Internal
    }
}

/// Whether all of this is said of files and folders in a folder that were never opened: unreadable ones, and links that lead
/// nowhere. scp goes on with the next one then.
fn is_of_unread(lines: &[&str], direction: Direction) -> bool {
    let starts: &[&str] = match direction {
        Direction::FromInstance => &[
            "remote open ",
            "remote readdir",
            "remote stat ",
            "remote lstat ",
            "stat remote: ",
            "Download of file ",
        ],
        Direction::ToInstance => &[
            "open local ",
            "upload \"",
            "failed to upload directory ",
            "local \"",
            "origin ",
            "remote readdir",
            "crossload ",
        ],
    };
    let is_unread =
        |line: &&str| starts.iter().any(|start| line.starts_with(start)) || line.ends_with("not a regular file");
    !lines.is_empty() && lines.iter().all(is_unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_is_that_of_the_words() {
        for (line, kind) in [
            ("/x: No such file or directory", ErrorKind::NotFound),
            ("dest open \"/x\": Permission denied", ErrorKind::PermissionDenied),
            ("download /x: not a regular file", ErrorKind::InvalidSpec),
            ("write local \"/x\": No space left on device", ErrorKind::Internal),
            ("open local \"/x\": Permission denied", ErrorKind::Internal),
            ("write remote \"/x\": Failure", ErrorKind::Internal),
            ("", ErrorKind::Internal),
        ] {
            assert_eq!(kind_of(line), kind, "{line}");
        }
    }

    #[test]
    fn file_that_broke_off_is_not_an_unread_one() {
        let from = |lines: &[&str]| is_of_unread(lines, Direction::FromInstance);
        let unread = "remote open \"/x\": Permission denied";
        assert!(from(&[unread, "Download of file /x to ./x failed"]));
        assert!(from(&[
            "stat remote: No such file or directory",
            "download \"/x\": not a regular file"
        ]));
        assert!(!from(&[unread, "read remote \"/y\" : Failure"]));
        assert!(!from(&["write local \"/x\": No space left on device"]));
        assert!(!from(&[]));
        let to = |lines: &[&str]| is_of_unread(lines, Direction::ToInstance);
        let failed = "failed to upload directory ./d to /x";
        assert!(to(&["open local \"./d/a\": Permission denied", failed]));
        assert!(!to(&["stat remote: No such file or directory", failed]));
        assert!(!to(&["write remote \"/x\": Failure", failed]));
    }
}
