//! The arguments of the commands that log in to VMs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::instance_args::DEFAULT_TIMEOUT;
use super::ssh_key::find_own_keys;
use crate::cloud::{Error, Instance, Result, key_fingerprint, parse_duration};
use crate::command_context::Context;
use crate::operations::{KeyFiles, KnownHosts, LocalSshSetup, SSH_PORT, SshOptions, SshWay};

/// How to log in, and how long to wait for it.
#[derive(Args, Clone, Debug)]
pub(super) struct SshArgs {
    #[command(flatten)]
    login: LoginArgs,
    /// How long to wait until the VM runs, has published its host keys and answers
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = parse_duration,
        help_heading = "Logging in"
    )]
    timeout: Duration,
}

impl SshArgs {
    /// The options for one VM.
    ///
    /// # Errors
    /// `InvalidSpec` for a private key that does not exist.
    pub(super) fn to_options(&self, instance: &Instance, context: &Context) -> Result<SshOptions> {
        self.login.to_options(instance, self.timeout, context)
    }

    /// What is left of the timeout.
    pub(super) fn remaining(&self, started: Instant) -> Duration {
        self.timeout.saturating_sub(started.elapsed())
    }
}

/// How to log in.
#[derive(Args, Clone, Debug)]
pub(super) struct LoginArgs {
    /// User to log in as; by default that of the image, or of the VM's key
    #[arg(long, value_name = "USER", help_heading = "Logging in")]
    user: Option<String>,
    /// Private key; by default the one that create used, if it is in ~/.ssh, and those of the agent
    #[arg(short = 'i', long, value_name = "FILE", help_heading = "Logging in")]
    identity_file: Option<String>,
    /// Port of the SSH server
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = SSH_PORT,
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Logging in"
    )]
    port: u16,
    /// Way to the VM: direct, private, iap, eice, ssm or a command
    ///
    /// By default it is direct: the VM's public address. iap is Google's tunnel; eice and ssm are those of AWS. A command connects its input and output to the VM, and ssh replaces
    /// %h and %p in it: --via 'ssh jump -W %h:%p'.
    #[arg(long, value_name = "WAY", help_heading = "Logging in")]
    via: Option<SshWay>,
    /// Host keys to accept: known (published by the VM to its cloud, or seen before), or new (also the first one that answers)
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "known",
        help_heading = "Logging in",
        hide_possible_values = true
    )]
    host_key: HostKeyValue,
}

/// Which host keys are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HostKeyValue {
    Known,
    New,
}

impl LoginArgs {
    /// The options for one VM. The timeout is how long to wait for it.
    ///
    /// # Errors
    /// `InvalidSpec` for a private key that does not exist.
    pub(super) fn to_options(&self, instance: &Instance, timeout: Duration, context: &Context) -> Result<SshOptions> {
        let home = context.settings.environment.home();
        let mut own_keys = home.as_deref().map(find_own_keys).unwrap_or_default();
        own_keys.extend(run_key_files(context).ok().and_then(|files| files.read()));
        let identity_file = match &self.identity_file {
            Some(path) => Some(self.check_identity_file(path, context)?),
            None => find_own_key(&own_keys, instance, context).map(|(path, _)| path.clone()),
        };
        Ok(SshOptions {
            user: self.user.clone(),
            identity_file,
            own_keys: own_keys.iter().filter_map(|(_, key)| key_fingerprint(key)).collect(),
            port: self.port,
            way: self.via.clone(),
            accepts_new_host_key: self.host_key == HostKeyValue::New,
            timeout,
        })
    }

    /// Whether a private key is named.
    pub(super) fn names_identity_file(&self) -> bool {
        self.identity_file.is_some()
    }

    /// The port of the SSH server, if the VM is reached at its public address.
    pub(super) fn port_to_open(&self) -> Option<u16> {
        self.via.is_none().then_some(self.port)
    }

    fn check_identity_file(&self, path: &str, context: &Context) -> Result<PathBuf> {
        let environment = &context.settings.environment;
        let expanded = environment.expand_path(path);
        let absolute = std::path::absolute(&expanded).unwrap_or(expanded);
        match absolute.is_file() {
            true => Ok(absolute),
            false => Err(Error::invalid(format!(
                "--identity-file {} is not a file",
                environment.display_path(&absolute)
            ))
            .with_hint("name the file of a private key, such as ~/.ssh/id_ed25519")),
        }
    }
}

/// The key that the VM was created with, if it is one of the user's own: the path of its private half, and its public half.
pub(super) fn find_own_key<'a>(
    own_keys: &'a [(PathBuf, String)],
    instance: &Instance,
    context: &Context,
) -> Option<&'a (PathBuf, String)> {
    let key_label = context.info(instance.provider).key_label;
    let labels = instance.setup.get("ssh-key")?;
    let is_of_instance = |key: &str| {
        let label = key_label(key);
        let mut spellings = labels.iter().flat_map(|value| &value.spellings);
        label.is_some_and(|label| spellings.any(|spelling| *spelling == label))
    };
    own_keys.iter().find(|(_, key)| is_of_instance(key))
}

/// The key that cloudctl makes for `run` on a machine without one.
///
/// # Errors
/// `InvalidSpec` without a home folder.
pub(super) fn run_key_files(context: &Context) -> Result<KeyFiles> {
    Ok(KeyFiles::in_folder(&state_folder(context)?))
}

/// The folder for what cloudctl keeps on this machine: host keys, and records of runs.
///
/// # Errors
/// `InvalidSpec` without a home folder.
pub(super) fn state_folder(context: &Context) -> Result<PathBuf> {
    let environment = &context.settings.environment;
    let folder = environment.xdg_folder("XDG_STATE_HOME", ".local/state");
    let folder = folder.ok_or_else(|| {
        Error::invalid("there is no home folder to keep host keys in").with_hint("set HOME or XDG_STATE_HOME")
    })?;
    Ok(folder.join("cloudctl"))
}

/// What this machine has for ssh.
///
/// # Errors
/// `InvalidSpec` without a home folder.
pub(super) fn local_ssh_setup(context: &Context) -> Result<LocalSshSetup> {
    let environment = &context.settings.environment;
    Ok(LocalSshSetup {
        known_hosts: KnownHosts::new(state_folder(context)?.join("known_hosts")),
        home: environment.home(),
        search_path: environment.get("PATH").unwrap_or_default().to_owned(),
    })
}
