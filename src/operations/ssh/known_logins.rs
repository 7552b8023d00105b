//! What this machine knows of logging in to instances, for other tools that run ssh: nothing is asked for.

use std::collections::HashMap;
use std::path::PathBuf;

use super::client_config::{HOST_KEY_OPTIONS, quote_path};
use super::known_hosts::{KnownHost, KnownHosts, host_alias};
use super::route::check_id;
use crate::cloud::{InstanceRef, Result};

/// The known host keys and users of all instances, read once.
#[derive(Debug)]
pub struct KnownLogins {
    path: PathBuf,
    hosts: HashMap<String, KnownHost>,
}

impl KnownLogins {
    /// Reads the file of the known hosts; nothing is known without a file.
    ///
    /// # Errors
    /// `Internal` if the file cannot be read.
    pub fn read(known_hosts: &KnownHosts) -> Result<Self> {
        Ok(Self {
            path: known_hosts.path().to_owned(),
            hosts: known_hosts.read_all()?,
        })
    }

    /// The user who logs in to an instance, where its cloud told it before.
    pub fn user(&self, instance: &InstanceRef) -> Option<&str> {
        self.hosts.get(&host_alias(instance))?.user.as_deref()
    }

    /// Whether a host key of an instance is known.
    pub fn has_host_key(&self, instance: &InstanceRef) -> bool {
        let host = self.hosts.get(&host_alias(instance));
        host.is_some_and(|host| !host.keys.is_empty())
    }

    /// The options with which ssh accepts only the known host keys of an instance: `StrictHostKeyChecking=yes` and the like,
    /// each a value of `-o`.
    ///
    /// # Errors
    /// `InvalidSpec` for a path that OpenSSH cannot read from an option; `Internal` for an id that no cloud gives.
    pub fn host_key_options(&self, instance: &InstanceRef) -> Result<Vec<String>> {
        check_id(&instance.id)?;
        let mut options = vec![
            format!("HostKeyAlias={}", host_alias(instance)),
            format!("UserKnownHostsFile={}", quote_path(&self.path)?),
            "StrictHostKeyChecking=yes".to_owned(),
        ];
        options.extend(HOST_KEY_OPTIONS.map(|option| option.replacen(' ', "=", 1)));
        Ok(options)
    }
}
