//! Prepares a connection: finds the route, the user and the host keys of an instance, and waits until it answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::local_setup::LocalSshSetup;
use super::route::{SshWay, find_route};
use super::session::{Connection, uses_proxy};
use crate::cloud::{
    CloudSettings, Error, ErrorKind, HostKey, Instance, InstanceState, LoginUser, Provider, Result,
    find_console_host_keys, quoted,
};
use crate::operations::ssh_probe::wait_for_ssh;
use crate::operations::wait::{WaitGoal, WaitObserver, wait_for};
use crate::shutdown::Shutdown;

/// The pauses between two reads of an instance's host keys. EC2 shows a console some minutes late.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshoot-unreachable-instance.html>
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How to log in.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// The user; `None` for that of the image or of the key.
    pub user: Option<String>,
    /// The private key; `None` for what ssh finds itself.
    pub identity_file: Option<PathBuf>,
    /// The fingerprints of the caller's keys.
    pub own_keys: Vec<String>,
    /// The port of the SSH server.
    pub port: u16,
    /// The way to the instance; `None` for its public address.
    pub way: Option<SshWay>,
    /// Whether to accept the first host key of an instance that has published none.
    pub accepts_new_host_key: bool,
    /// How long to wait until the instance runs, has published its host keys and answers.
    pub timeout: Duration,
}

/// Prepares a connection to a running instance. `settings` are those of its cloud.
///
/// An instance whose host keys are known is not waited for.
///
/// # Errors
/// - `InvalidSpec` if it cannot be reached this way, is a Windows instance, or its user is not known.
/// - `Network` if it has published no host key, or does not answer, when the time is over.
/// - `Interrupted` after a signal; those of reading the instance.
pub async fn prepare_connection(
    provider: &dyn Provider,
    instance: Instance,
    options: &SshOptions,
    setup: &LocalSshSetup,
    settings: &CloudSettings<'_>,
    shutdown: &Shutdown,
) -> Result<Connection> {
    let deadline = Instant::now() + options.timeout;
    let found = find_connection(provider, instance, options, setup, settings, shutdown).await?;
    let connection = found.connection;
    // Only what ssh itself would connect to can be probed.
    if !found.was_known && !shutdown.run_until_signal(uses_proxy(&connection, setup)).await? {
        wait_until_it_answers(
            &connection,
            deadline.saturating_duration_since(Instant::now()),
            shutdown,
        )
        .await?;
    }
    Ok(connection)
}

/// A connection that nobody has tried.
pub(super) struct FoundConnection {
    pub(super) connection: Connection,
    /// Whether its host keys were known before, or it needs none: perhaps the instance has answered already.
    pub(super) was_known: bool,
}

/// Finds the route, the user and the host keys of a running instance, and keeps new host keys. Does not connect.
///
/// # Errors
/// As [`prepare_connection`], except those of an instance that does not answer.
pub(super) async fn find_connection(
    provider: &dyn Provider,
    instance: Instance,
    options: &SshOptions,
    setup: &LocalSshSetup,
    settings: &CloudSettings<'_>,
    shutdown: &Shutdown,
) -> Result<FoundConnection> {
    let deadline = Instant::now() + options.timeout;
    let route = find_route(&instance, options.way.as_ref(), provider.info(), options.port, settings)?;
    setup.check_programs(&route)?;
    let known_hosts = &setup.known_hosts;
    let known = known_hosts.find(&instance.reference)?;
    let (user, user_to_keep) = match (&options.user, known.user) {
        (Some(user), _) => (user.clone(), None),
        (None, Some(user)) => (user, None),
        (None, None) => {
            let look_up = provider.login_user(&instance, &options.own_keys);
            let found = shutdown.run_until_signal(look_up).await?;
            let is_certain = matches!(found, LoginUser::Name(_));
            let user = require_name(found, &instance)?;
            (user.clone(), is_certain.then_some(user))
        }
    };
    check_user(&user, &instance)?;
    let mut connection = Connection {
        pretend_shell: provider.pretend_shell(&instance)?,
        instance,
        route,
        user,
        port: options.port,
        identity_file: options.identity_file.clone(),
        accepts_new_host_key: false,
        host_keys: known.keys,
    };
    if connection.pretend_shell.is_some() || !connection.host_keys.is_empty() {
        return Ok(FoundConnection {
            connection,
            was_known: true,
        });
    }
    let waits = !options.accepts_new_host_key;
    let search = wait_for_host_keys(provider, &connection.instance, waits.then_some(deadline));
    match shutdown.run_until_signal(search).await {
        Ok(keys) => {
            known_hosts.add(&connection.instance.reference, &keys, user_to_keep.as_deref())?;
            connection.host_keys = keys;
        }
        Err(error) if options.accepts_new_host_key && error.kind() != ErrorKind::Interrupted => {
            tracing::debug!(%error, "the first host key that answers is accepted");
            known_hosts.create()?;
            connection.accepts_new_host_key = true;
        }
        Err(error) => return Err(error),
    }
    Ok(FoundConnection {
        connection,
        was_known: false,
    })
}

/// Waits until an SSH server answers at the address of a connection.
///
/// # Errors
/// `Network` if none does until the time is over; `Interrupted` after a signal.
pub async fn wait_until_it_answers(connection: &Connection, timeout: Duration, shutdown: &Shutdown) -> Result<()> {
    let deadline = Instant::now() + timeout;
    let answer = wait_for_ssh(&connection.instance, &connection.route.host, connection.port, deadline);
    shutdown.run_until_signal(answer).await
}

/// Waits for an instance that is being created or started, and gives it as it is then.
///
/// # Errors
/// `Refused` if it is not running and will not be; the hint says how to start it. `Network` if it does not run
/// in time; `Interrupted` after a signal.
pub async fn wait_until_running(
    provider: &Arc<dyn Provider>,
    instance: Instance,
    timeout: Duration,
    shutdown: &Shutdown,
    observer: &mut dyn WaitObserver,
) -> Result<Instance> {
    match instance.state {
        InstanceState::Running | InstanceState::Unknown => return Ok(instance),
        InstanceState::Pending => {}
        state => {
            let reference = &instance.reference;
            let error = Error::new(ErrorKind::Refused, format!("{reference} is {state}")).naming(reference);
            return Err(match state {
                InstanceState::Stopping | InstanceState::Stopped => {
                    let name = instance.name.clone().unwrap_or_else(|| reference.to_string());
                    error.with_hint(format!("start it: cloudctl start {name}"))
                }
                _ => error,
            });
        }
    }
    let connect = |_| Arc::clone(provider);
    let targets = vec![(instance, WaitGoal::Running)];
    let waited = wait_for(&connect, targets, timeout, shutdown, observer).await;
    if let Some(error) = waited.errors.into_iter().next() {
        // Nothing was asked of it yet.
        return Err(match error.kind() {
            ErrorKind::Timeout => error.with_kind(ErrorKind::Network),
            _ => error,
        });
    }
    shutdown.check_no_signal()?;
    let running = waited.reached.into_iter().next();
    running.ok_or_else(|| Error::new(ErrorKind::Internal, "a wait ended without a result"))
}

/// Reads the host keys that an instance published, until there are some; once without a deadline.
///
/// # Errors
/// `Network` if there are none at the deadline; those of reading the console, if it cannot be tried again.
async fn wait_for_host_keys(
    provider: &dyn Provider,
    instance: &Instance,
    deadline: Option<Instant>,
) -> Result<Vec<HostKey>> {
    let mut pause = FIRST_PAUSE;
    loop {
        let published = match provider.published_host_keys(&instance.reference).await {
            Ok(keys) => keys,
            // The console may have them.
            Err(error) => {
                tracing::debug!(%error, "cannot read published host keys");
                Vec::new()
            }
        };
        if !published.is_empty() {
            return Ok(published);
        }
        match provider.console_output(&instance.reference).await {
            Ok(console) => {
                let keys = find_console_host_keys(&console);
                if !keys.is_empty() {
                    return Ok(keys);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Network | ErrorKind::Throttled) => {
                tracing::debug!(%error, "cannot read the console");
            }
            Err(error) => {
                let error = error.context(format_args!("cannot read the host key of {}", instance.reference));
                return Err(error.with_hint("allow it, or take the first key that answers: --host-key new"));
            }
        }
        if deadline.is_none_or(|deadline| Instant::now() + pause > deadline) {
            let message = format!(
                "{} has published no host key, so its identity cannot be checked",
                instance.reference
            );
            return Err(Error::new(ErrorKind::Network, message)
                .naming(&instance.reference)
                .with_hint("wait longer with --timeout, or take the first key that answers: --host-key new"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(MAX_PAUSE);
    }
}

fn require_name(user: LoginUser, instance: &Instance) -> Result<String> {
    let reference = &instance.reference;
    match user {
        LoginUser::Name(name) | LoginUser::Guess(name) => Ok(name),
        LoginUser::Windows => Err(
            Error::invalid(format!("{reference} is a Windows VM, which takes no SSH keys"))
                .naming(reference)
                .with_hint("log in by Remote Desktop, or name a user with --user if OpenSSH is installed in it"),
        ),
        LoginUser::Unknown(reason) => Err(Error::invalid(format!(
            "the user to log in to {reference} as is not known: {reason}"
        ))
        .naming(reference)
        .with_hint("name the user with --user")),
    }
}

/// Checks a user name, so that it is one word of a configuration.
fn check_user(user: &str, instance: &Instance) -> Result<()> {
    let is_allowed = |c: char| c.is_alphanumeric() || "._-@+\\$".contains(c);
    match user.chars().all(is_allowed) && !user.starts_with('-') && !user.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(format!("{} is not a valid user name", quoted(user)))
            .naming(&instance.reference)
            .with_hint("name the user with --user")),
    }
}
