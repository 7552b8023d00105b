//! `cloudctl extend`: gives VMs a new TTL.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::instance_args::{InstanceArgs, check_accounts, find_for_change, parse_ttl, print_changed, print_expiry};
use crate::cloud::{Error, ErrorKind, Instance, Result, format_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::compute_extended_ttl;
use crate::output::INSTANCES;
use crate::shutdown::Shutdown;

/// Give VMs more time to live
///
/// They then expire this long from now, and never earlier than before; with a + this much later than now planned. A VM
/// without a TTL gets one. A pattern, -l and --filter select only VMs that cloudctl created.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
    /// How long they may live from now on, such as 4h; +1h is one hour more than now planned
    ///
    /// Running it again with the same TTL counts from then. With a + it adds again.
    #[arg(long, value_name = "DURATION", required = true, value_parser = parse_extension, help_heading = "Life")]
    ttl: Extension,
}

/// Until when VMs may live.
#[derive(Clone, Copy, Debug)]
enum Extension {
    /// So long from now.
    FromNow(Duration),
    /// So much longer than planned.
    Further(Duration),
}

fn parse_extension(text: &str) -> Result<Extension> {
    match text.strip_prefix('+') {
        Some(duration) => parse_ttl(duration).map(Extension::Further),
        None => parse_ttl(text).map(Extension::FromNow),
    }
}

impl Extension {
    /// How long an instance may live from now on.
    ///
    /// # Errors
    /// `Refused` for more time than planned if none is planned.
    fn lifetime(self, instance: &Instance, now: Timestamp) -> Result<Duration> {
        let further = match self {
            Self::FromNow(lifetime) => return Ok(lifetime),
            Self::Further(further) => further,
        };
        let Some(planned) = instance.expires_at else {
            let message = format!("{} has no TTL to which time could be added", instance.reference);
            let more = format_duration(further);
            return Err(
                Error::new(ErrorKind::Refused, message).with_hint(format!("--ttl {more} lets it live {more} from now"))
            );
        };
        let left = SignedDuration::try_from(further)
            .ok()
            .and_then(|further| planned.checked_add(further).ok())
            .ok_or_else(|| Error::invalid("the TTL is too long"))?
            .duration_since(now);
        Duration::try_from(left).map_err(|_| {
            let message = format!("{} expired at {planned}, longer ago than this adds", instance.reference);
            Error::new(ErrorKind::Refused, message).with_hint("pass a TTL without +: it counts from now")
        })
    }
}

/// Extends each VM, and shows when it expires now.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let targets = find_for_change(args.targets.to_selection(), "extend", context).await?;
    check_accounts(&targets, context).await?;
    if let Some(unmanaged) = targets.iter().find(|target| !target.managed) {
        return Err(not_managed_error(unmanaged).into());
    }
    // If only some were extended, the same command with + would add to those again.
    for target in &targets {
        args.ttl.lifetime(target, context.now())?;
    }
    let _critical_section = context.shutdown.enter_critical_section()?;
    let (mut extended, mut errors) = (Vec::new(), Vec::new());
    for target in &targets {
        match extend(target, args.ttl, context, &context.shutdown).await {
            Ok(instance) => extended.push(instance),
            Err(error) => errors.push(error),
        }
    }
    print_expiry(&extended, context);
    print_changed(&extended, errors, context)
}

/// Creates the error for an instance that cloudctl did not create.
fn not_managed_error(instance: &Instance) -> Error {
    let problem = match &instance.label_problem {
        Some(problem) => format!(" ({problem})"),
        None => String::new(),
    };
    let message = format!(
        "{} was not made by cloudctl{problem}; nothing was changed",
        instance.reference
    );
    Error::new(ErrorKind::Refused, message).with_hint("only what cloudctl made has a TTL")
}

async fn extend(target: &Instance, extension: Extension, context: &Context, shutdown: &Shutdown) -> Result<Instance> {
    let provider = context.clouds().get(target.provider);
    shutdown.check_no_signal()?;
    // A listing can lack fields that only a read of one instance has.
    let current = shutdown.run_until_signal(provider.get(&target.reference)).await?;
    let now = shutdown.run_until_signal(provider.server_time()).await?;
    let ttl = compute_extended_ttl(&current, extension.lifetime(&current, now)?, now)?;
    let change = provider.set_ttl(&target.reference, ttl);
    let Some(outcome) = shutdown.finish_in_grace_period(change).await else {
        let message = format!(
            "{}: interrupted before it was known whether it was extended",
            target.reference
        );
        return Err(Error::new(ErrorKind::UnknownOutcome, message)
            .naming(&target.reference)
            .with_leftover(&target.reference));
    };
    outcome?;
    if let Ok(extended) = shutdown.run_until_signal(provider.get(&target.reference)).await {
        return Ok(extended);
    }
    // The cloud accepted the change, so an instance that cannot be read is computed.
    Ok(Instance {
        ttl: Some(ttl),
        expires_at: add_ttl(current.created_at, ttl),
        ..current
    })
}

fn add_ttl(created_at: Option<Timestamp>, ttl: Duration) -> Option<Timestamp> {
    created_at?.checked_add(SignedDuration::try_from(ttl).ok()?).ok()
}
