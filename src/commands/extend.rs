//! `cloudctl extend`: gives VMs a new TTL.

use std::time::Duration;

use jiff::SignedDuration;

use super::instance_args::{InstanceArgs, check_accounts, find_for_change, parse_ttl, print_expiry};
use crate::cloud::{Error, ErrorKind, Instance, Result};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::compute_extended_ttl;
use crate::output::{INSTANCES, Report};
use crate::shutdown::Shutdown;

/// Give VMs more time to live
///
/// They then expire this long from now, and never earlier than before. A VM without a TTL gets one.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
    /// How long they may live from now on
    #[arg(long, value_name = "DURATION", required = true, value_parser = parse_ttl)]
    ttl: Duration,
}

/// Extends each VM, and shows when it expires now.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let targets = find_for_change(&args.targets.references, context).await?;
    check_accounts(&targets, context).await?;
    if let Some(unmanaged) = targets.iter().find(|target| !target.managed) {
        let problem = unmanaged
            .label_problem
            .as_deref()
            .map(|problem| format!(" ({problem})"))
            .unwrap_or_default();
        let message = format!(
            "{} was not made by cloudctl{problem}; nothing was changed",
            unmanaged.reference
        );
        return Err(Error::new(ErrorKind::Refused, message)
            .with_hint("only what cloudctl made has a TTL")
            .into());
    }
    let _section = context.shutdown.enter_critical_section()?;
    let (mut extended, mut errors) = (Vec::new(), Vec::new());
    for target in &targets {
        match extend(target, args.ttl, context, &context.shutdown).await {
            Ok(instance) => extended.push(instance),
            Err(error) => errors.push(error),
        }
    }
    print_expiry(&extended, context);
    let status = ExitStatus::from_batch(extended.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&extended, errors), &INSTANCES, now)?;
    Ok(status)
}

async fn extend(target: &Instance, lifetime: Duration, context: &Context, shutdown: &Shutdown) -> Result<Instance> {
    let provider = context.clouds().get(target.provider);
    shutdown.check()?;
    // A listing can lack fields that only a read of one instance has.
    let current = shutdown.run_until_signal(provider.get(&target.reference)).await?;
    let ttl = compute_extended_ttl(
        &current,
        lifetime,
        shutdown.run_until_signal(provider.server_time()).await?,
    )?;
    match shutdown
        .finish_in_grace_period(provider.set_ttl(&target.reference, ttl))
        .await
    {
        Some(result) => result?,
        None => {
            let message = format!(
                "{}: interrupted before it was known whether it was extended",
                target.reference
            );
            return Err(Error::new(ErrorKind::UnknownOutcome, message)
                .naming(&target.reference)
                .with_leftover(&target.reference));
        }
    }
    // The cloud accepted the change. If the instance cannot be read, the result is computed.
    Ok(match shutdown.run_until_signal(provider.get(&target.reference)).await {
        Ok(extended) => extended,
        Err(_) => Instance {
            ttl: Some(ttl),
            expires_at: current
                .created_at
                .and_then(|created| created.checked_add(SignedDuration::try_from(ttl).ok()?).ok()),
            ..current
        },
    })
}
