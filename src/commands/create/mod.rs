//! Runs `cloudctl create`: reads the flags and the spec file, creates or previews, waits, and prints the result.

mod args;
mod create_for_run;
mod next_steps;
mod print_preview;
mod progress;
mod requested_locations;
mod spec_file;
mod vm_request;
mod wait_for_created;

use std::collections::BTreeSet;

use self::progress::create_all;
use self::spec_file::merge::SpecFile;
use self::vm_request::VmRequest;
use super::instance_args::check_account_of;
use crate::cloud::{Error, ErrorKind, Instance, InstanceName, Leftover, Result, format_duration};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::deduplicate_providers;
use crate::output::{INSTANCES, PREVIEWS, Report};

pub use self::args::Args;
pub(super) use self::args::{parse_cpus, parse_memory};
pub(super) use self::create_for_run::{CreatedForRun, RunPurpose, RunVm};
pub(super) use self::spec_file::example::SPEC_EXAMPLE;
pub(super) use self::spec_file::schema::spec_schema;
pub(super) use self::vm_request::read_default_key;

/// Creates the VMs that do not exist yet.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context
        .printer
        .check_format(if args.dry_run { &PREVIEWS } else { &INSTANCES })?;
    let files = read_spec_files(&args, context)?;
    let args = vm_request::read_user_data_input(args, &files, context)?;
    let (dry_run, timeout) = (args.dry_run, args.timeout);
    let mut requests = Vec::new();
    // Of several requests, all must have valid locations before the first is created.
    let is_only_request = files.len() == 1;
    for file in files {
        requests.push(VmRequest::build(&args, file, is_only_request, context).await?);
    }
    let names = collect_names(&requests)?;
    if let Some(budget) = args.budget {
        for request in &mut requests {
            // The flag is for all VMs of the command.
            request.create.budget = Some(budget / names.len() as f64);
        }
    }
    for request in &requests {
        let spec = &request.create.spec;
        if let (true, Some(ttl)) = (spec.protected, spec.ttl) {
            let note = format!(
                "{}: --protect refuses that anybody terminates it; it does not stop its TTL of {}",
                spec.name,
                format_duration(ttl)
            );
            context.printer.note(&note);
        }
    }
    if dry_run {
        let refusal = check_all_accounts(&requests, context).await.err();
        return print_preview::print_previews(&requests, refusal, context).await;
    }
    check_all_accounts(&requests, context).await?;
    if requests.iter().any(|request| !request.has_ttl_choice) && is_in_pipeline(context) {
        let note = "no --ttl is given: these VMs keep running until someone terminates them";
        context.printer.note(note);
    }
    // A signal must not end the process before the VMs that exist are printed.
    let _critical_section = context.shutdown.enter_critical_section()?;
    let (created, mut errors) = create_all(&requests, context).await;
    let instances = created.into_iter().map(|created| created.instance).collect();
    let mut instances = wait_for_created::wait_for_all(&requests, instances, timeout, &mut errors, context).await;
    instances.sort_by_cached_key(|instance| {
        let mut names = names.iter();
        names.position(|name| instance.name.as_deref() == Some(name.as_str()))
    });
    let alive = instances.iter().filter(|instance| !instance.state.is_gone()).count();
    let status = match ExitStatus::from_batch(alive, &errors) {
        _ if alive > 0 && context.shutdown.signal_status().is_some() => ExitStatus::UNKNOWN,
        // One VM that exists and is not ready is no partial success.
        ExitStatus::PARTIAL if names.len() == 1 => ExitStatus::from_kind(errors[0].kind()),
        status => status,
    };
    next_steps::print_next_steps(&requests, &instances, context);
    for instance in errors.iter().flat_map(instances_left_over) {
        if !instances.iter().any(|known| known.reference == instance.reference) {
            instances.push(instance);
        }
    }
    print_result(&instances, errors, context)?;
    Ok(status)
}

/// Reads the file that the flags name: a description for each VM or group in it, or an empty one without a file.
///
/// # Errors
/// `InvalidSpec` for a file that cannot be read.
fn read_spec_files(args: &Args, context: &mut Context) -> Result<Vec<SpecFile>> {
    let Some(path) = &args.file else {
        return Ok(vec![SpecFile::default()]);
    };
    let expanded_path = match path.to_str() {
        Some(text) => context.settings.environment.expand_path(text),
        None => path.clone(),
    };
    SpecFile::read(&expanded_path, context)
}

/// Checks the expected account of every cloud on which something may be created.
async fn check_all_accounts(requests: &[VmRequest], context: &Context) -> Result<()> {
    for provider in deduplicate_providers(requests.iter().flat_map(VmRequest::providers)) {
        check_account_of(provider, context).await?;
    }
    Ok(())
}

/// Whether this runs in a pipeline: <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>
fn is_in_pipeline(context: &Context) -> bool {
    let environment = &context.settings.environment;
    environment.get("CI").is_some_and(|value| value != "false")
}

/// The names of all requested VMs.
///
/// # Errors
/// `InvalidSpec` if two of them are the same.
fn collect_names(requests: &[VmRequest]) -> Result<Vec<InstanceName>> {
    let names: Vec<_> = requests
        .iter()
        .map(|request| request.create.spec.instance_names())
        .collect::<Result<_>>()?;
    let names = names.concat();
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(names),
        Some(repeated) => Err(Error::invalid(format!("two VMs would be called {repeated}"))
            .with_hint("a group's members are called NAME-1 to NAME-N: give the VM or the group another name")),
    }
}

/// The VMs that may exist although their outcome is unknown. Only their ids are known, and belong on stdout.
fn instances_left_over(error: &Error) -> Vec<Instance> {
    if error.kind() != ErrorKind::UnknownOutcome {
        return Vec::new();
    }
    let instances = error.leftovers().iter().filter_map(|leftover| match leftover {
        Leftover::Instance(one) => Some(Instance::with_id_only(one.provider, one.scope.clone(), one.id.clone())),
        Leftover::Resource { .. } => None,
    });
    instances.collect()
}

/// Prints the result. If stdout is closed, names the VMs on stderr.
fn print_result(instances: &[Instance], errors: Vec<Error>, context: &mut Context) -> anyhow::Result<()> {
    let printed = context.print_report(&Report::from_instances(instances, errors), &INSTANCES);
    if printed.is_err() || context.printer.is_closed() {
        for instance in instances {
            let warning = format!("stdout cannot be written, but {} exists", instance.reference);
            context.printer.warn(&warning);
        }
    }
    Ok(printed?)
}
