//! The entries of instances in a configuration of OpenSSH that users keep.

use std::path::PathBuf;

use futures_util::stream::{self, StreamExt};

use super::connection::{find_connection, wait_until_running};
use super::group::{GroupMember, Unobserved};
use super::local_setup::{LocalSshSetup, SshVersion};
use super::session::Connection;
use crate::cloud::Result;
use crate::shutdown::Shutdown;

/// How many instances are asked for at once.
const PARALLEL: usize = 10;

/// A user's own configuration may share connections by address, and two instances can have the same private address. An open
/// connection has no host key to check.
const NO_SHARED_CONNECTION: &str = "ControlPath none";

/// The entry of one instance.
#[derive(Debug)]
pub struct SshConfigEntry {
    connection: Connection,
    known_hosts: PathBuf,
    version: SshVersion,
}

impl SshConfigEntry {
    /// Formats the entry for these names, which must be plain words. It ends with a line break.
    ///
    /// # Errors
    /// `InvalidSpec` for a path that OpenSSH cannot read from a configuration.
    pub fn format(&self, names: &[&str]) -> Result<String> {
        let host = self.connection.to_host_config("");
        let mut lines = host.format(names, &self.known_hosts, self.version)?;
        lines.push(NO_SHARED_CONNECTION.to_owned());
        Ok(lines.join("\n    ") + "\n")
    }
}

/// Finds the entry of each member, some at a time, and gives them in the order of the members. New host keys are kept. Nobody
/// connects to the instances. `on_found` is called after each.
///
/// The errors of a member are those of finding a connection: it does not run, has no address, has published no host key, or
/// its user is not known.
///
/// # Errors
/// `Internal` if OpenSSH is not installed.
pub async fn find_config_entries(
    members: Vec<GroupMember<'_>>,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
    on_found: &mut dyn FnMut(),
) -> Result<Vec<Result<SshConfigEntry>>> {
    let version = setup.ssh_version().await?;
    let searches = members
        .into_iter()
        .map(|member| find_entry(member, version, setup, shutdown));
    let mut searches = stream::iter(searches).buffered(PARALLEL);
    let mut entries = Vec::new();
    while let Some(entry) = searches.next().await {
        shutdown.check_no_signal()?;
        on_found();
        entries.push(entry);
    }
    Ok(entries)
}

async fn find_entry(
    member: GroupMember<'_>,
    version: SshVersion,
    setup: &LocalSshSetup,
    shutdown: &Shutdown,
) -> Result<SshConfigEntry> {
    let GroupMember {
        instance,
        provider,
        options,
        settings,
    } = member;
    let instance = wait_until_running(&provider, instance, options.timeout, shutdown, &mut Unobserved).await?;
    let found = find_connection(provider.as_ref(), instance, &options, setup, &*settings, shutdown).await?;
    Ok(SshConfigEntry {
        connection: found.connection,
        known_hosts: setup.known_hosts.path().to_owned(),
        version,
    })
}
