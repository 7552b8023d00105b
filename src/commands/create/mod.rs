//! `cloudctl create`

mod args;
mod dry_run;
mod placement;
mod progress;
mod spec_file;
mod ssh_key;
mod vm_request;
mod wait;

use std::collections::BTreeSet;

use self::progress::create_all;
use self::spec_file::merge::SpecFile;
use self::vm_request::VmRequest;
use super::targets::{check_account_of, print_expiry};
use crate::cloud::{Error, ErrorKind, Instance, InstanceName, Leftover, Result};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::deduplicate_providers;
use crate::output::{INSTANCES, PLANS, Report};

pub use self::args::Args;
pub(super) use self::args::memory_argument;
pub(super) use self::spec_file::schema::spec_schema;
pub(super) use self::vm_request::own_key;

/// Creates what is asked for, once.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(if args.dry_run { &PLANS } else { &INSTANCES })?;
    let files = match args.file.as_deref() {
        Some(path) => {
            let home_path = path.to_str().map(|path| context.settings.environment.path(path));
            SpecFile::read(home_path.as_deref().unwrap_or(path), context)?
        }
        None => vec![SpecFile::default()],
    };
    let args = vm_request::with_input(args, &files, context)?;
    let (dry_run, timeout) = (args.dry_run, args.timeout);
    let mut orders = Vec::new();
    for file in files {
        orders.push(VmRequest::of(&args, file, context).await?);
    }
    let names = names_of(&orders)?;
    if let Some(budget) = args.budget {
        let names = names_of(&orders)?.len();
        for order in &mut orders {
            // A flag is that of the whole command.
            order.request.budget = Some(budget / names as f64);
        }
    }
    if dry_run {
        let refusal = check_all_accounts(&orders, context).await.err();
        return dry_run::show(&orders, refusal, context).await;
    }
    check_all_accounts(&orders, context).await?;
    if orders.iter().any(|order| !order.has_ttl_choice) && is_in_pipeline(context) {
        context
            .printer
            .note("no --ttl is given: what this job leaves behind runs until somebody terminates it");
    }
    // Until it is printed what exists by now.
    let _change = context.interrupt.enter_critical_section()?;
    let (mut instances, mut errors) = create_all(&orders, context).await;
    instances = wait::wait(&orders, instances, timeout, &mut errors, context).await;
    let order = |instance: &Instance| {
        names
            .iter()
            .position(|name| instance.name.as_deref() == Some(name.as_str()))
    };
    instances.sort_by_cached_key(order);
    let alive = instances.iter().filter(|instance| !instance.state.is_gone()).count();
    let status = match ExitStatus::of_batch(alive, &errors) {
        _ if alive > 0 && context.interrupt.status().is_some() => ExitStatus::UNKNOWN,
        // One VM that exists and is not ready is not a part of something.
        ExitStatus::PARTIAL if names.len() == 1 => ExitStatus::of(errors[0].kind()),
        status => status,
    };
    print_expiry(&instances, context);
    progress::print_login_hints(&orders, &instances, context);
    let left: Vec<_> = errors.iter().flat_map(only_known).collect();
    for instance in left {
        if !instances.iter().any(|known| known.reference == instance.reference) {
            instances.push(instance);
        }
    }
    finish(&instances, errors, context)?;
    Ok(status)
}

/// Checks the account pin of every cloud that something may be made on.
async fn check_all_accounts(orders: &[VmRequest], context: &Context) -> Result<()> {
    for provider in deduplicate_providers(orders.iter().flat_map(VmRequest::providers)) {
        check_account_of(provider, context).await?;
    }
    Ok(())
}

/// Whether this runs in a pipeline: <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>
fn is_in_pipeline(context: &Context) -> bool {
    context
        .settings
        .environment
        .get("CI")
        .is_some_and(|value| value != "false")
}

/// The names of all that is ordered; no two of them are the same.
fn names_of(orders: &[VmRequest]) -> Result<Vec<InstanceName>> {
    let names: Vec<_> = orders
        .iter()
        .map(|order| order.request.spec.instance_names())
        .collect::<Result<_>>()?;
    let names = names.concat();
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(names),
        Some(twice) => Err(Error::invalid(format!("two VMs would be called {twice}"))
            .with_hint("a group's members are called NAME-1 to NAME-N: give the VM or the group another name")),
    }
}

/// The VMs that an error says may exist: all that is known of one is its id, which belongs on stdout.
fn only_known(error: &Error) -> Vec<Instance> {
    if error.kind() != ErrorKind::UnknownOutcome {
        return Vec::new();
    }
    let instances = error.leftovers().iter().filter_map(|leftover| match leftover {
        Leftover::Instance(one) => Some(Instance::with_id_only(one.provider, one.scope.clone(), one.id.clone())),
        Leftover::Resource { .. } => None,
    });
    instances.collect()
}

/// Prints the result. If stdout is gone, the VMs are named on stderr: they exist.
fn finish(instances: &[Instance], errors: Vec<Error>, context: &mut Context) -> anyhow::Result<()> {
    let now = context.now();
    let printed = context
        .printer
        .report(&Report::of_instances(instances, errors), &INSTANCES, now);
    if printed.is_err() || context.printer.is_closed() {
        for instance in instances {
            context
                .printer
                .warning(&format!("stdout cannot be written; {} exists", instance.reference));
        }
    }
    Ok(printed?)
}
