//! `cloudctl ssh-config`: prints a configuration of OpenSSH with the VMs by name.

use std::collections::BTreeSet;

use super::host_names::warn_about_names;
use super::instance_args::{ConditionArgs, find_instances};
use super::ssh_args::{SshArgs, local_ssh_setup};
use super::vm_connection::cloud_settings;
use super::wait_progress::name_or_reference;
use crate::cloud::{Error, HostName, Instance, InstanceQuery, InstanceState, Result, host_names};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{GroupMember, Selection, SshConfigEntry, find_config_entries};
use crate::output::hint_for;

/// What the names of the entries end with.
const SUFFIX: &str = ".cloudctl";

/// How long to wait unless the user says so: not at all.
const NO_TIMEOUT: &str = "0s";

/// Print an OpenSSH configuration, so that `ssh NAME.cloudctl` reaches a VM
///
/// With it ssh, scp, rsync, VS Code, Ansible and all else that runs ssh reach VMs by name: web-1.cloudctl, or i-0ab12cd34ef567890.cloudctl by id. Each
/// entry has the address, the user, the key and the host keys of a VM, as `cloudctl ssh` has them. Print it again when VMs were
/// created or started, as addresses change.
///
/// Without REF, -l and --filter it has all running VMs that cloudctl created. A VM that cannot be reached, or whose host keys are not known, is left out
/// with a warning, and the exit code is 7. Of two VMs with one name each is called NAME.REGION.cloudctl.
#[derive(clap::Args, Clone, Debug)]
#[command(mut_arg("timeout", |arg| arg
    .default_value(NO_TIMEOUT)
    .help("How long to wait until a VM runs and has published its host keys")))]
pub struct Args {
    /// Name, id, or provider/region/id of a VM, or a quoted pattern of names such as 'web-*' [default: all that run]
    #[arg(value_name = "REF", conflicts_with_all = ["selectors", "filters"])]
    references: Vec<InstanceQuery>,
    #[command(flatten)]
    conditions: ConditionArgs,
    #[command(flatten)]
    ssh: SshArgs,
}

/// Prints the entries of the VMs, and warns about those that have none.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let selection = Selection {
        only_managed: true,
        ..args.conditions.to_selection(&args.references)
    };
    let selects_all = args.references.is_empty() && args.conditions.is_empty();
    let setup = local_ssh_setup(context)?;
    let resolved = find_instances(&selection, context).await?;
    if let Some(reason) = resolved.describe_empty() {
        context.printer.note(&format!("nothing to print: {reason}"));
    }
    let gaps: Vec<Error> = resolved.open_gaps.iter().cloned().map(Error::from).collect();
    let found = resolved.into_all()?;
    // A name means one VM, also if another of that name does not run now.
    let names = host_names(&found);
    let mut named: Vec<(Instance, HostName)> = found.into_iter().zip(names).collect();
    if selects_all {
        let all = named.len();
        named.retain(|(instance, _)| instance.state == InstanceState::Running);
        note_stopped(all - named.len(), context);
    }
    warn_about_names(&named, SUFFIX, context);
    let (settings, shutdown) = (context.settings.clone(), context.shutdown.clone());
    let mut members = Vec::new();
    for (instance, _) in &named {
        members.push(GroupMember {
            options: args.ssh.to_options(instance, context)?,
            provider: context.clouds().get(instance.provider),
            settings: cloud_settings(&settings, context.info(instance.provider)),
            instance: instance.clone(),
        });
    }
    let (printer, mut count) = (&mut context.printer, 0);
    let mut show_progress = || {
        count += 1;
        printer.show_progress(&format!("VMs: {count} of {}", named.len()));
    };
    let entries = find_config_entries(members, &setup, &shutdown, &mut show_progress).await?;
    context.printer.end_progress();
    print_entries(&named, entries, gaps, context)
}

/// Prints the configuration, and gives the exit status: that of a batch.
fn print_entries(
    named: &[(Instance, HostName)],
    entries: Vec<Result<SshConfigEntry>>,
    gaps: Vec<Error>,
    context: &mut Context,
) -> anyhow::Result<ExitStatus> {
    let mut texts = Vec::new();
    let mut left_out = Vec::new();
    for ((instance, name), entry) in named.iter().zip(entries) {
        let id = format!("{}{SUFFIX}", instance.reference.id);
        let own = name.as_str().map(|name| format!("{name}{SUFFIX}"));
        let words: Vec<&str> = own.as_deref().into_iter().chain([id.as_str()]).collect();
        match entry.and_then(|entry| entry.format(&words)) {
            Ok(text) => texts.push(text),
            Err(error) => left_out.push((name_or_reference(instance), error)),
        }
    }
    if !texts.is_empty() {
        let header = "# VMs by name, for OpenSSH: printed by `cloudctl ssh-config`. Print it again when they change.\n";
        let text = format!("{header}\n{}", texts.join("\n"));
        context.printer.print_bytes(text.as_bytes())?;
    }
    match (texts.is_empty(), left_out.as_slice()) {
        (true, [(name, error)]) => context.printer.report_error(&error.clone().context(name)),
        _ => warn_about_left_out(&left_out, context),
    }
    if !gaps.is_empty() {
        context.printer.warn("the configuration is incomplete");
    }
    let errors: Vec<Error> = left_out.into_iter().map(|(_, error)| error).chain(gaps).collect();
    Ok(ExitStatus::from_batch(texts.len(), &errors))
}

/// Says which VMs are left out and why. A hint that holds for several is printed once.
fn warn_about_left_out(left_out: &[(String, Error)], context: &mut Context) {
    let mut hints = BTreeSet::new();
    for (name, error) in left_out {
        let warning = format!("{name} is left out: {}", error.message());
        context.printer.warn(&warning);
        hints.insert(hint_for(error, Some(context.infos())));
    }
    for hint in hints {
        context.printer.note(&format!("hint: {hint}"));
    }
}

fn note_stopped(count: usize, context: &mut Context) {
    match count {
        0 => {}
        1 => context.printer.note("1 VM that does not run is left out"),
        several => {
            let note = format!("{several} VMs that do not run are left out");
            context.printer.note(&note);
        }
    }
}
