//! Connecting to one VM, for the commands that log in.

use std::time::Instant;

use super::ssh_args::SshArgs;
use super::wait_progress::{WaitProgress, name_or_reference};
use crate::cloud::{CloudInfo, CloudSettings, Instance, Result};
use crate::command_context::Context;
use crate::operations::{Connection, LocalSshSetup, prepare_connection, wait_until_running};
use crate::settings::Settings;

/// Waits until a VM runs, and prepares a connection to it. The timeout counts from `started`.
///
/// # Errors
/// Those of [`wait_until_running`] and [`prepare_connection`], and of the arguments.
pub(super) async fn connect(
    instance: Instance,
    args: &SshArgs,
    setup: &LocalSshSetup,
    started: Instant,
    context: &mut Context,
) -> Result<Connection> {
    let provider = context.clouds().get(instance.provider);
    let mut options = args.to_options(&instance, context)?;
    let settings = context.settings.clone();
    let settings = cloud_settings(&settings, provider.info());
    let shutdown = context.shutdown.clone();
    let mut progress = WaitProgress::new(&mut context.printer, 1);
    let instance = wait_until_running(&provider, instance, args.remaining(started), &shutdown, &mut progress).await?;
    let progress = format!("connecting to {}", name_or_reference(&instance));
    context.printer.show_progress(&progress);
    options.timeout = args.remaining(started);
    let connection = prepare_connection(provider.as_ref(), instance, &options, setup, &*settings, &shutdown).await?;
    context.printer.end_progress();
    Ok(connection)
}

/// The settings of one cloud.
pub(super) fn cloud_settings<'a>(settings: &'a Settings, cloud: &'static CloudInfo) -> Box<CloudSettings<'a>> {
    Box::new(move |key| {
        let known = cloud.settings.iter().find(|known| known.name == key)?;
        settings.cloud_setting(cloud.kind, known.name).value.clone()
    })
}
