//! `cloudctl extend`

use std::time::Duration;

use jiff::SignedDuration;

use super::targets::{InstanceArgs, check_accounts, find_for_change, parse_ttl, print_expiry};
use crate::cloud::{Error, ErrorKind, Instance, Result};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::compute_extended_ttl;
use crate::output::{INSTANCES, Report};
use crate::shutdown::Shutdown;

/// Give VMs more time to live
///
/// They then end that long from now, and never sooner than before. A VM that had no end gets one.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
    /// How long they shall live from now on
    #[arg(long, value_name = "DURATION", required = true, value_parser = parse_ttl)]
    ttl: Duration,
}

/// Extends each VM, and shows when it ends now.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let targets = find_for_change(&args.targets.references, context).await?;
    check_accounts(&targets, context).await?;
    if let Some(foreign) = targets.iter().find(|target| !target.managed) {
        let why = foreign
            .label_problem
            .as_deref()
            .map(|doubt| format!(" ({doubt})"))
            .unwrap_or_default();
        let message = format!(
            "{} was not made by cloudctl{why}; nothing was changed",
            foreign.reference
        );
        return Err(Error::new(ErrorKind::Refused, message)
            .with_hint("only what cloudctl made has a TTL")
            .into());
    }
    let _change = context.shutdown.enter_critical_section()?;
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for target in &targets {
        match extend(target, args.ttl, context, &context.shutdown).await {
            Ok(extended) => done.push(extended),
            Err(error) => errors.push(error),
        }
    }
    print_expiry(&done, context);
    let status = ExitStatus::from_batch(done.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_report(&Report::from_instances(&done, errors), &INSTANCES, now)?;
    Ok(status)
}

async fn extend(target: &Instance, lifetime: Duration, context: &Context, interrupt: &Shutdown) -> Result<Instance> {
    let provider = context.clouds().get(target.provider);
    interrupt.check()?;
    // What was listed may lack what only a look at one instance tells.
    let current = interrupt.run_until_signal(provider.get(&target.reference)).await?;
    let ttl = compute_extended_ttl(
        &current,
        lifetime,
        interrupt.run_until_signal(provider.server_time()).await?,
    )?;
    match interrupt
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
    // The cloud took it on: whatever keeps us from seeing that is no reason to say otherwise.
    Ok(
        match interrupt.run_until_signal(provider.get(&target.reference)).await {
            Ok(extended) => extended,
            Err(_) => Instance {
                ttl: Some(ttl),
                expires_at: current
                    .created_at
                    .and_then(|created| created.checked_add(SignedDuration::try_from(ttl).ok()?).ok()),
                ..current
            },
        },
    )
}
