//! # cloudctl
//!
//! Virtual machines on AWS EC2, Google Compute Engine and a mock cloud, through one [`cloud::Provider`] contract.
//!
//! ## Rooms
//!
//! A room is a top-level module.
//!
//! | room | content | may import |
//! |---|---|---|
//! | [`cloud`] | the contract: `Provider`, `InstanceSpec`, `Instance`, `InstanceState`, `Error`. No SDK, clap, tokio or I/O | – |
//! | [`catalog`] | image aliases, machine types and prices that are known without a call | cloud |
//! | [`exit`] | the exit code of an error or of a batch | cloud |
//! | [`shutdown`] | signals, and the changes in progress when one comes | cloud, exit |
//! | [`settings`] | flag > environment > file, resolved once into plain values | cloud |
//! | [`operations`] | the same for every cloud: listing, create, wait, label selectors, termination, expiry | cloud, catalog, shutdown |
//! | [`output`] | tables, JSON, errors and hints, progress | cloud, exit |
//! | [`panic_report`] | the error that is printed for a panic | cloud, exit, shutdown, output |
//! | [`providers`] | the table of drivers, a folder for each cloud, and the code that drivers share | cloud, catalog, settings |
//! | [`command_context`] | streams, environment, clock and terminal of the process, as values | cloud, catalog, shutdown, settings, providers, output, panic_report |
//! | [`commands`] | one file for each command: its `Args`, then `run(args, context)` | cloud, catalog, command_context, exit, shutdown, operations, output, settings |
//! | [`cli`] | the command line, and the errors for mistakes in it | cloud, commands, settings |
//!
//! ## Where code belongs
//!
//! - Code that knows a flag: `commands` or `settings`.
//! - Code that knows an SDK type or a field of a cloud: the folder of that cloud in `providers`.
//! - Code that holds for every cloud: `cloud` if it is pure, `operations` if it needs time or concurrency.
//! - Code that chooses words for the user: `output`.
//! - Code that reads the environment, the clock or the terminal: `command_context`.
//!
//! ## Rules
//!
//! `tests/house.rs` reads the sources and fails if one of these is broken:
//!
//! - A room imports only the rooms in the table.
//! - Files do not import each other in a circle.
//! - A file has at most 600 lines.
//! - A cloud is named (`ProviderKind::Aws`) only in `cloud/provider_kind.rs`, in `providers/mod.rs` and in its own driver.
//! - No code decides by the text of an error's message.
//!
//! Names and comments use the words of the glossary in `.github/CONTRIBUTING.md`, each with one meaning.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod cli;
pub mod cloud;
pub mod command_context;
pub mod commands;
pub mod exit;
pub mod operations;
pub mod output;
pub mod panic_report;
pub mod providers;
pub mod settings;
pub mod shutdown;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::sync::Mutex;

use clap::error::ErrorKind as UsageKind;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::{Command, FIRST_STEPS, HelpForm, command_line, command_line_without_help};
use crate::cloud::{Clock, Error, ErrorKind, InstanceAction, quoted};
use crate::command_context::{Context, Host};
use crate::exit::ExitStatus;
use crate::operations::WaitGoal;
use crate::output::{Printer, Redactor};
use crate::providers::Drivers;
use crate::settings::{Environment, Settings};

/// Runs one command line, and gives the exit status. `arguments` begin with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, host: Host) -> ExitStatus {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match run_command(&arguments, host) {
        Ok(status) => status,
        // The other codes are those of the command that it runs.
        Err(status) if status != ExitStatus::DONE && cli::is_run(&arguments) => ExitStatus::RUN_FAILED,
        Err(status) => status,
    }
}

/// Runs one command line. The error is the exit status of a run that ended before its command began.
fn run_command(arguments: &[OsString], host: Host) -> Result<ExitStatus, ExitStatus> {
    let Host {
        streams,
        input,
        environment,
        terminal,
        clock,
        drivers,
        panics,
    } = host;
    let infos = drivers.infos();
    let mut printer = Printer::new(streams, terminal);
    printer.set_clouds(infos);
    let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let redactor = Redactor::new(environment.secrets(infos), words);
    printer.set_redactor(redactor.clone());
    // Errors have the requested format, even if they come before the command line is parsed.
    let early_format = cli::find_output_format(arguments).or(environment.get("CLOUDCTL_OUTPUT"));
    let _ = printer.set_format(early_format, false);
    panics.set_format(early_format);
    let cli = match cli::parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return Err(report_usage_error(&error, arguments, &mut printer)),
    };
    if let Err(error) = cli::refuse_bare_up(&cli, arguments) {
        return Err(report_error(error, &mut printer));
    }
    // Help must work even if the configuration file is invalid.
    let no_settings = execute_without_settings(&cli.command, &drivers, &environment, clock.as_ref(), &mut printer);
    if let Some(result) = no_settings {
        return result.map_err(|error| report_any_error(error, &mut printer));
    }
    let may_lack_context = match &cli.command {
        Command::Context(subcommand) => subcommand.works_without_context(),
        _ => false,
    };
    let settings = match Settings::resolve(&cli.global, environment, infos, may_lack_context) {
        Ok(settings) => settings,
        Err(error) => return Err(report_error(error, &mut printer)),
    };
    if let Err(error) = start_log(cli.global.verbose, settings.environment.get("CLOUDCTL_LOG"), redactor) {
        return Err(report_error(error, &mut printer));
    }
    let format = settings.output.value.as_deref();
    panics.set_format(if settings.quiet { None } else { format });
    if let Err(error) = printer.set_format(format, settings.quiet) {
        let source = &settings.output.source;
        let error = match source.is_flag() {
            true => error,
            false => error.context(source),
        };
        return Err(report_error(error, &mut printer));
    }
    if printer.prints_inventory() && !matches!(cli.command, Command::List(_)) {
        let error = Error::invalid("-o ansible is an inventory of VMs, which only `cloudctl list` prints");
        return Err(report_error(error.with_hint("use -o table or -o json"), &mut printer));
    }
    if settings.no_headers {
        printer.hide_headers();
    }
    let mut context = Context::new(settings, drivers, printer, input, clock);
    panics.set_shutdown(&context.shutdown);
    context.shutdown.start_signal_handling();
    let is_create = matches!(cli.command, Command::Create(_));
    let status = match execute(cli.command, &mut context) {
        Ok(status) => status,
        // `create` names the VMs itself, and running it again changes nothing.
        Err(error) if !is_create && context.shutdown.has_finished_change() && error.is::<io::Error>() => {
            let failure = Error::new(
                ErrorKind::Internal,
                format!("the command has ended, but its results cannot be written: {error}"),
            );
            report_error(
                failure.with_hint("see what it did with `cloudctl list --all`"),
                &mut context.printer,
            )
        }
        Err(error) => report_any_error(error, &mut context.printer),
    };
    let status = report_missing_value(status, &mut context.printer);
    match context.shutdown.signal_status() {
        // SIGINT and SIGTERM have different codes.
        Some(by_signal) if status == ExitStatus::INTERRUPTED => Ok(by_signal),
        _ => Ok(status),
    }
}

/// Runs a command that needs neither settings nor a cloud; `None` for the other commands.
fn execute_without_settings(
    command: &Command,
    drivers: &Drivers,
    environment: &Environment,
    clock: &dyn Clock,
    printer: &mut Printer,
) -> Option<anyhow::Result<ExitStatus>> {
    match command {
        Command::Completion(args) if args.prints_names() => {
            let command = command_line_without_help();
            let result = commands::completion::print_names(args, &command, environment, clock.now(), printer);
            Some(result)
        }
        Command::Completion(args) => Some(commands::completion::run(args, command_line(HelpForm::Long), printer)),
        Command::Schema(args) => Some(commands::schema::run(args, drivers.infos(), printer)),
        Command::Man(args) => Some(commands::man::run(args, command_line(HelpForm::Long), printer)),
        Command::Help(args) => {
            let settings = drivers.cloud_tool_settings();
            let result = commands::help::run(args, command_line(HelpForm::Long), drivers.infos(), &settings, printer);
            Some(result)
        }
        _ => None,
    }
}

fn execute(command: Command, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(execute_with_clouds(command, context));
    // A blocking look-up of a host name whose result is no longer needed must not delay the exit.
    runtime.shutdown_background();
    result
}

async fn execute_with_clouds(command: Command, context: &mut Context) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Create(args) => commands::create::run(args, context).await,
        Command::List(args) => commands::list::run(args, context).await,
        Command::Describe(args) => commands::describe::run(args, context).await,
        Command::Start(args) => commands::change_instances::run_start(args, context).await,
        Command::Stop(args) => {
            commands::change_instances::run_stop(args, InstanceAction::Stop, WaitGoal::Stopped, context).await
        }
        Command::Reboot(args) => {
            commands::change_instances::run_stop(args, InstanceAction::Reboot, WaitGoal::Running, context).await
        }
        Command::Protect(args) => commands::change_instances::run(args, InstanceAction::Protect, context).await,
        Command::Unprotect(args) => commands::change_instances::run(args, InstanceAction::Unprotect, context).await,
        Command::Label(args) => commands::label::run(args, context).await,
        Command::Extend(args) => commands::extend::run(args, context).await,
        Command::Terminate(args) => commands::terminate::run(args, context).await,
        Command::Wait(args) => commands::wait::run(args, context).await,
        Command::Ssh(args) => commands::ssh::run(args, context).await,
        Command::Cp(args) => commands::cp::run(args, context).await,
        Command::Run(args) => commands::run::run(args, context).await,
        Command::SshConfig(args) => commands::ssh_config::run(args, context).await,
        Command::Console(args) => commands::console::run(args, context).await,
        Command::Image(args) => commands::image::run(args, context).await,
        Command::Region(args) => commands::region::run(args, context).await,
        Command::Price(args) => commands::price::run(args, context).await,
        Command::Type(args) => commands::machine_type::run(args, context).await,
        Command::Catalog(args) => commands::catalog::run(args, context).await,
        Command::Whoami(args) => commands::whoami::run(args, context).await,
        Command::Doctor(args) => commands::doctor::run(args, context).await,
        Command::Context(args) => commands::context::run(args, context).await,
        Command::Schema(_) | Command::Completion(_) | Command::Man(_) | Command::Help(_) => Ok(ExitStatus::DONE),
    }
}

/// Reports that `-o value=` has no value to print. A failure of the command itself keeps its own exit code.
fn report_missing_value(status: ExitStatus, printer: &mut Printer) -> ExitStatus {
    let Some(error) = printer.take_missing_value() else {
        return status;
    };
    printer.report_error(&error);
    match status {
        ExitStatus::DONE => ExitStatus::from_kind(error.kind()),
        failed => failed,
    }
}

fn report_error(error: Error, printer: &mut Printer) -> ExitStatus {
    let status = ExitStatus::from_kind(error.kind());
    printer.report_failure(error);
    status
}

fn report_any_error(error: anyhow::Error, printer: &mut Printer) -> ExitStatus {
    match error.downcast::<Error>() {
        Ok(error) => report_error(error, printer),
        Err(error) => report_other_error(error, printer),
    }
}

/// Reports an error that no cloud is part of: of reading or writing.
fn report_other_error(error: anyhow::Error, printer: &mut Printer) -> ExitStatus {
    let failure = match error.downcast_ref::<io::Error>() {
        // The reader of the output closed the pipe.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitStatus::DONE,
        Some(error) => Error::new(ErrorKind::Internal, format!("cannot write the results: {error}"))
            .with_hint("send them elsewhere and run the same command again"),
        None => Error::new(ErrorKind::Internal, format!("{error:#}")),
    };
    report_error(failure, printer)
}

/// Reports a mistake in the command line as one line and a hint. Prints help and version to stdout.
fn report_usage_error(error: &clap::Error, arguments: &[OsString], printer: &mut Printer) -> ExitStatus {
    match error.kind() {
        UsageKind::DisplayHelp | UsageKind::DisplayVersion => {
            return match printer.print_text(error.render().to_string().as_bytes()) {
                Ok(()) => ExitStatus::DONE,
                Err(error) => report_other_error(error.into(), printer),
            };
        }
        UsageKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let has_words = arguments.len() > 1;
            match has_words {
                true => printer.print_usage_help(&error.render().to_string()),
                false => printer.print_usage_help(FIRST_STEPS),
            }
            return ExitStatus::USAGE;
        }
        _ => {}
    }
    report_error(cli::usage_error(error, arguments), printer)
}

/// Starts the log on stderr. It has only events of cloudctl: those of the SDKs would show request bodies, and with them user
/// data. Warnings are always logged.
///
/// # Errors
/// `InvalidSpec` if the variable is not a log level.
fn start_log(verbosity: u8, variable: Option<&str>, redactor: Redactor) -> Result<(), Error> {
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::prelude::*;
    let variable_level = match variable.map(str::trim) {
        None | Some("") => None,
        Some(level) => Some(level.parse::<LevelFilter>().map_err(|_| {
            Error::invalid(format!(
                "variable CLOUDCTL_LOG: {} is not a level of the log",
                quoted(level)
            ))
            .with_hint("set it to off, error, warn, info, debug or trace")
        })?),
    };
    let level = match verbosity {
        0 => variable_level.unwrap_or(LevelFilter::WARN),
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let events = tracing_subscriber::fmt::layer()
        .with_writer(move || LogWriter(redactor.clone()))
        .with_ansi(false);
    let is_log_requested = variable_level.is_some() || verbosity > 0;
    let events = match is_log_requested {
        true => events.with_target(false).boxed(),
        false => events.event_format(WarningFormatter::default()).boxed(),
    };
    let only_cloudctl = Targets::new().with_target("cloudctl", level);
    // A second run in the same process, as in tests, keeps the log of the first.
    let _ = tracing_subscriber::registry()
        .with(events.with_filter(only_cloudctl))
        .try_init();
    Ok(())
}

/// Writes lines of the log to stderr, without secrets. Each call has one whole line.
struct LogWriter(Redactor);

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().write_all(self.0.redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Formats warnings like those of the printer, for runs without a requested log. Prints each text only once, because many
/// zones and machine types can cause the same warning.
#[derive(Default)]
struct WarningFormatter {
    printed: Mutex<HashSet<String>>,
}

impl<S, N> FormatEvent<S, N> for WarningFormatter
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        let is_new = self
            .printed
            .lock()
            .map_or(true, |mut printed| printed.insert(text.clone()));
        match is_new {
            true => writeln!(writer, "warning: {text}"),
            false => Ok(()),
        }
    }
}
