//! `cloudctl ssh`: logs in to a VM, or runs a command in one VM or in many.

use std::time::Instant;

use super::instance_args::{ConditionArgs, find_for_change, find_one};
use super::ssh_args::{SshArgs, local_ssh_setup};
use super::wait_progress::{WaitProgress, name_or_reference};
use crate::cloud::{CloudInfo, CloudSettings, Error, Instance, InstanceQuery, ProviderKind, Result};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    GroupMember, OutputLine, OutputStream, SessionResult, prepare_connection, run_in_group, run_session,
    wait_until_it_answers, wait_until_running,
};
use crate::settings::Settings;

/// Log in to a VM, or run a command in it
///
/// It runs the system's OpenSSH, with the user of the image and the key that the VM was created with. The VM's host keys come
/// from its cloud before the first connection and are kept by the VM's id: another key than these is refused. Your own
/// ~/.ssh/config counts for everything else, such as agents and ciphers.
///
/// The exit code is that of the command, or 255 if the connection fails. Before there is a connection it is one of cloudctl's
/// own: see `cloudctl help exit-codes`.
///
/// With -l or --filter the command runs in all VMs that match and that cloudctl created. Each line of their output begins with
/// the name of the VM. The exit code is 0 if that of every command is 0, and 1 otherwise.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name, id, or provider/region/id of a VM, or a quoted pattern that only its name matches
    #[arg(
        value_name = "REF",
        required_unless_present_any = ["selectors", "filters"],
        conflicts_with_all = ["selectors", "filters"]
    )]
    reference: Option<InstanceQuery>,
    #[command(flatten)]
    conditions: ConditionArgs,
    /// Command to run, after `--`; without one, a shell. Its words are joined by spaces for the VM's shell
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    /// Give the command a terminal
    #[arg(short = 't', long, conflicts_with_all = ["selectors", "filters"], help_heading = "Logging in")]
    tty: bool,
    /// With -l or --filter: in how many VMs the command runs at once
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with = "reference",
        help_heading = "How many"
    )]
    parallel: u16,
    #[command(flatten)]
    ssh: SshArgs,
}

/// Runs ssh.
pub async fn run(mut args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    match args.reference.take() {
        Some(reference) => run_in_one(reference, &args, context).await,
        None => run_in_selected(&args, context).await,
    }
}

async fn run_in_one(reference: InstanceQuery, args: &Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let started = Instant::now();
    let instance = find_one(reference, context).await?;
    let provider = context.clouds().get(instance.provider);
    let mut options = args.ssh.to_options(&instance, context)?;
    let setup = local_ssh_setup(context)?;
    let settings = context.settings.clone();
    let settings = cloud_settings(&settings, provider.info());
    let shutdown = context.shutdown.clone();
    let timeout = options.timeout;
    let remaining = || timeout.saturating_sub(started.elapsed());
    let mut progress = WaitProgress::new(&mut context.printer, 1);
    let instance = wait_until_running(&provider, instance, timeout, &shutdown, &mut progress).await?;
    let progress = format!("connecting to {}", name_or_reference(&instance));
    context.printer.show_progress(&progress);
    options.timeout = remaining();
    let connection = prepare_connection(provider.as_ref(), instance, &options, &setup, &*settings, &shutdown).await?;
    context.printer.end_progress();
    let mut result = run_session(&connection, &args.command, args.tty, &setup, &shutdown).await?;
    if result.has_no_answer() {
        // It may be booting: nothing was sent yet.
        wait_until_it_answers(&connection, remaining(), &shutdown).await?;
        result = run_session(&connection, &args.command, args.tty, &setup, &shutdown).await?;
    }
    if !result.pretended_output.is_empty() {
        let output = format!("{}\n", result.pretended_output);
        context.printer.print_bytes(output.as_bytes())?;
    }
    print_log("ssh", &result, context);
    Ok(ExitStatus::of_command(result.exit_code))
}

/// Prints what ssh said: as warnings if the connection failed.
fn print_log(prefix: &str, result: &SessionResult, context: &mut Context) {
    for line in result.log.lines() {
        let text = format!("{prefix}: {line}");
        match result.exit_code {
            255 => context.printer.warn(&text),
            _ => context.printer.note(&text),
        }
    }
}

/// The settings of one cloud.
pub(super) fn cloud_settings<'a>(settings: &'a Settings, cloud: &'static CloudInfo) -> Box<CloudSettings<'a>> {
    Box::new(move |key| {
        let known = cloud.settings.iter().find(|known| known.name == key)?;
        settings.cloud_setting(cloud.kind, known.name).value.clone()
    })
}

async fn run_in_selected(args: &Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    if args.command.is_empty() {
        let error = Error::invalid("there is no command to run in the VMs that match");
        return Err(error
            .with_hint("pass it after --: cloudctl ssh -l role=web -- uptime")
            .into());
    }
    let selection = args.conditions.to_selection(&[]);
    let instances = find_for_change(selection, "run the command in", context).await?;
    let names: Vec<String> = instances.iter().map(name_or_reference).collect();
    let (setup, settings, shutdown) = (
        local_ssh_setup(context)?,
        context.settings.clone(),
        context.shutdown.clone(),
    );
    let mut members = Vec::new();
    for instance in instances {
        members.push(to_member(instance, args, &settings, context)?);
    }
    let parallel = usize::from(args.parallel);
    let mut write_error = None;
    let printer = &mut context.printer;
    let mut print_line = |OutputLine { position, stream, text }: OutputLine| {
        let line = format!("{}: {text}", names[position]);
        match stream {
            OutputStream::Errors => printer.print_error_line(&line),
            OutputStream::Output => {
                let printed = printer.print_bytes(format!("{line}\n").as_bytes());
                write_error = printed.err().or(write_error.take());
            }
        }
    };
    let results = run_in_group(members, &args.command, parallel, &setup, &shutdown, &mut print_line).await;
    if let Some(error) = write_error {
        return Err(error.into());
    }
    let has_failed = |result: &Result<SessionResult>| !matches!(result, Ok(result) if result.exit_code == 0);
    let any_failed = results.iter().any(has_failed);
    for (name, result) in names.iter().zip(results) {
        match result {
            Ok(result) => {
                print_log(&format!("{name}: ssh"), &result, context);
                context.printer.note(&format!("{name}: exit code {}", result.exit_code));
            }
            Err(error) => context.printer.report_error(&error.context(name)),
        }
    }
    Ok(match any_failed {
        true => ExitStatus::INTERNAL,
        false => ExitStatus::DONE,
    })
}

fn to_member<'a>(
    instance: Instance,
    args: &Args,
    settings: &'a Settings,
    context: &Context,
) -> Result<GroupMember<'a>> {
    let kind: ProviderKind = instance.provider;
    Ok(GroupMember {
        options: args.ssh.to_options(&instance, context)?,
        provider: context.clouds().get(kind),
        settings: cloud_settings(settings, context.info(kind)),
        instance,
    })
}
