//! `cloudctl run`: creates a VM, runs a command in it once, and terminates it.

mod args;
mod ci_job;
mod run_output;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

pub use self::args::Args;
use self::args::OnInterruptValue;
use self::ci_job::identify_job;
use self::run_output::RunOutput;
use super::create::{CreatedForRun, RunPurpose, RunVm};
use super::instance_args::find_one;
use super::ssh_args::{local_ssh_setup, run_key_files, state_folder};
use super::vm_connection::cloud_settings;
use super::wait_progress::name_or_reference;
use crate::cloud::{Error, ErrorKind, Instance, Result, Secret, quote_for_shell};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{
    Connection, FileToCopy, FileToFetch, LocalSshSetup, RemoteRun, RunInput, RunOutcome, RunParts, RunRecords,
    RunResult, compute_run_id, delete_unused_firewall_rules, fetch_files, fill_in_prices, format_usd, plan_termination,
    prepare_connection, report_kept_disks, run_remotely, terminate,
};
use crate::output::{RUNS, Record, Report};
use crate::shutdown::Shutdown;

/// Runs the command. A failure of cloudctl's own has one exit code, whatever its kind, because the others are the command's.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    match run_once(args, context).await {
        Ok(status) => Ok(status),
        Err(error) => {
            let is_interrupt = error.kind() == ErrorKind::Interrupted;
            context.printer.report_failure(error);
            Ok(match context.shutdown.signal_status() {
                Some(by_signal) => by_signal,
                None if is_interrupt => ExitStatus::INTERRUPTED,
                None => ExitStatus::RUN_FAILED,
            })
        }
    }
}

/// What is run, and as which VM.
struct RunRequest {
    run_id: String,
    vm_name: String,
    files: Vec<FileToCopy>,
    environment: Vec<(String, Secret<String>)>,
}

async fn run_once(args: Args, context: &mut Context) -> Result<ExitStatus> {
    context.printer.check_format(&RUNS)?;
    let mut vm = RunVm::read(args.create.clone(), context)?;
    let request = build_request(&args, &mut vm, context)?;
    let setup = local_ssh_setup(context)?;
    let records = RunRecords::new(state_folder(context)?.join("runs"));
    if !args.again {
        check_not_ended(&records, &request, context).await?;
    }
    // Whoever cancels a job has seconds: a signal must reach the end of this function.
    let critical_section = context.shutdown.enter_critical_section()?;
    let input = context.take_command_input().map_or_else(RunInput::none, RunInput::read);
    let names_key = vm.names_key() || args.login.names_identity_file();
    let timeout = vm.timeout();
    let purpose = RunPurpose {
        run_id: &request.run_id,
        time_limit: args.time_limit,
        starts_again: args.again,
        port_to_open: args.login.port_to_open(),
    };
    let mut prepared = vm.prepare(&purpose, context).await?;
    // The mock cloud needs no account, and runs nothing.
    if prepared.providers().any(|provider| provider.info().needs_credentials) {
        setup.check_ssh()?;
        if !names_key && !prepared.has_key() {
            let (_, public_key) = run_key_files(context)?.read_or_make(&setup).await?;
            prepared.set_default_key(public_key);
        }
    }
    let CreatedForRun {
        instance,
        is_new,
        errors,
    } = prepared.create(context).await?;
    let created = errors.into_iter().next().map_or(Ok(()), Err);
    let Some(instance) = instance else {
        created?;
        return Err(Error::new(ErrorKind::Internal, "the VM was not created"));
    };
    let mut run = VmRun {
        args: &args,
        request: &request,
        setup: &setup,
        records: &records,
        timeout,
        is_new,
        may_have_started: false,
    };
    let outcome = match created {
        Ok(()) => run.connect_and_run(&instance, input, context).await,
        Err(error) => Err(error),
    };
    let finished = run.finish(&instance, outcome, context).await;
    drop(critical_section);
    finished
}

/// Finds the name of the VM, and computes the id of the run. Reads the files to copy.
fn build_request(args: &Args, vm: &mut RunVm, context: &mut Context) -> Result<RunRequest> {
    let environment = &context.settings.environment;
    let variables = args.environment.iter().map(|variable| variable.resolve(environment));
    let variables = variables.collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
    let to_file = |copy: &args::CopyValue| FileToCopy {
        local: environment.expand_path(&copy.local),
        remote: copy.remote.clone(),
    };
    let files: Vec<_> = args.copies.iter().map(to_file).collect();
    let vm_name = match (vm.name(), identify_job(environment)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(job)) => {
            let digest = compute_run_id(&job, &args.command, &names, &files)?;
            format!("run-{}", &digest[..12])
        }
        (None, None) => RunVm::make_up_name()?,
    };
    let run_id = compute_run_id(&vm_name, &args.command, &names, &files)?;
    if vm.name().is_none() {
        context.printer.note(&format!("the VM is called {vm_name}"));
        vm.set_name(vm_name.clone());
    }
    Ok(RunRequest {
        run_id,
        vm_name,
        files,
        environment: variables,
    })
}

/// Refuses a run whose VM is gone, as far as this machine knows it.
async fn check_not_ended(records: &RunRecords, request: &RunRequest, context: &mut Context) -> Result<()> {
    let Some(query) = records.find(&request.run_id)? else {
        return Ok(());
    };
    let reference = query.to_string();
    match find_one(query, context).await {
        Ok(instance) if !instance.state.is_gone() => Ok(()),
        // The flags are for another cloud or region, where that run cannot be.
        Err(error) if error.kind() == ErrorKind::InvalidSpec => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => {
            let message = format!("that run has ended and its VM is gone: {reference}");
            Err(Error::new(ErrorKind::Refused, message).with_hint("start it anew with --again"))
        }
    }
}

/// Whether this runs in a pipeline, where nobody comes back to a command.
fn is_in_pipeline(context: &Context) -> bool {
    let ci = context.settings.environment.get("CI");
    ci.is_some_and(|value| !value.is_empty() && value != "false")
}

/// A run whose VM exists.
struct VmRun<'a> {
    args: &'a Args,
    request: &'a RunRequest,
    setup: &'a LocalSshSetup,
    records: &'a RunRecords,
    timeout: Duration,
    /// Whether this run created the VM.
    is_new: bool,
    /// Whether the command runs, or may run.
    may_have_started: bool,
}

/// The end of the command, and the files that were brought back.
struct Ended {
    result: RunResult,
    fetched: Vec<String>,
}

/// What became of the command.
enum Outcome {
    Ended(Ended),
    /// It ended, and a file could not be brought back.
    NotFetched(RunResult, Error),
    /// The user left it.
    Detached,
}

impl VmRun<'_> {
    async fn connect_and_run(
        &mut self,
        instance: &Instance,
        input: RunInput,
        context: &mut Context,
    ) -> Result<Outcome> {
        let provider = context.clouds().get(instance.provider);
        let options = self.args.login.to_options(instance, self.timeout, context)?;
        let settings = context.settings.clone();
        let settings = cloud_settings(&settings, provider.info());
        let shutdown = context.shutdown.clone();
        let progress = format!("connecting to {}", name_or_reference(instance));
        context.printer.show_progress(&progress);
        let connection = prepare_connection(
            provider.as_ref(),
            instance.clone(),
            &options,
            self.setup,
            &*settings,
            &shutdown,
        )
        .await;
        context.printer.end_progress();
        let mut connection = connection?;
        // From here on the command may run, so that another run on this machine must not start it again.
        self.records.add(&self.request.run_id, &instance.reference)?;
        let remote_run = RemoteRun {
            run_id: &self.request.run_id,
            command: &self.args.command,
            environment: &self.request.environment,
            files: &self.request.files,
            time_limit: self.args.time_limit,
            starts_again: self.args.again,
            timeout: self.timeout,
        };
        let is_in_pipeline = is_in_pipeline(context);
        let parts = RunParts {
            connection: &connection,
            provider: provider.as_ref(),
            setup: self.setup,
            shutdown: &shutdown,
            interrupts: (!is_in_pipeline).then(|| shutdown.take_interrupts()),
            input,
            shows_progress: context.printer.shows_copies(),
        };
        let mut output = RunOutput::new(&mut context.printer);
        let outcome = run_remotely(&remote_run, parts, &mut output).await;
        self.may_have_started = output.may_have_started();
        output.check_written()?;
        connection.forget_pretended_breaks();
        match outcome? {
            RunOutcome::Detached => Ok(Outcome::Detached),
            RunOutcome::Ended(result) => match self.fetch_all(&connection, context).await {
                Ok(fetched) => Ok(Outcome::Ended(Ended { result, fetched })),
                Err(error) => Ok(Outcome::NotFetched(result, error)),
            },
        }
    }

    /// Brings the files back. Gives their paths on this machine.
    async fn fetch_all(&self, connection: &Connection, context: &mut Context) -> Result<Vec<String>> {
        let environment = &context.settings.environment;
        let expand = |path: &PathBuf| match path.to_str() {
            Some(text) => environment.expand_path(text),
            None => path.clone(),
        };
        let fetches = self.args.fetches.iter();
        let files: Vec<_> = fetches
            .map(|fetch| FileToFetch {
                remote: fetch.remote.clone(),
                local: expand(&fetch.local),
            })
            .collect();
        let shows_progress = context.printer.shows_copies();
        fetch_files(
            &files,
            connection,
            self.timeout,
            shows_progress,
            self.setup,
            &context.shutdown,
        )
        .await?;
        Ok(files.iter().map(|file| file.local.display().to_string()).collect())
    }

    /// Terminates the VM or keeps it, prints the result, and gives the exit status.
    async fn finish(&self, instance: &Instance, outcome: Result<Outcome>, context: &mut Context) -> Result<ExitStatus> {
        let signal = context.shutdown.signal_status();
        let is_cancelled = signal.is_some_and(|signal| signal != ExitStatus::INTERRUPTED || is_in_pipeline(context));
        let name = &self.request.vm_name;
        match outcome {
            Ok(Outcome::Ended(ended)) => self.finish_ended(instance, ended, context).await,
            Ok(Outcome::NotFetched(result, error)) if signal.is_none() => {
                let note = format!(
                    "the command ended with exit code {}; the VM is kept until its TTL: cloudctl ssh {}",
                    result.exit_code,
                    quote_for_shell(name)
                );
                context.printer.note(&note);
                Err(error)
            }
            Ok(Outcome::Detached) => Err(self.left_error("detached")),
            Err(error) | Ok(Outcome::NotFetched(_, error))
                if signal.is_some() || error.kind() == ErrorKind::Interrupted =>
            {
                match self.args.on_interrupt {
                    // Another run created the VM, and may be there still.
                    _ if !is_cancelled && !self.is_new => Err(self.left_error("interrupted")),
                    OnInterruptValue::Detach => Err(self.left_error("interrupted")),
                    OnInterruptValue::Terminate => {
                        // Before anything else, and although a signal has come.
                        self.terminate(instance, false, context).await?;
                        let message = format!("interrupted: {name} is being terminated");
                        Err(Error::new(ErrorKind::Interrupted, message)
                            .with_hint("start the command anew with --again"))
                    }
                }
            }
            // Nothing was done in the VM, so nothing is lost with it. Another run may have started the command in an older one.
            Err(error) if self.is_new && !self.may_have_started => {
                if self.args.keep == args::KeepValue::Never {
                    self.terminate(instance, true, context).await?;
                    self.records.remove(&self.request.run_id);
                }
                Err(error)
            }
            Err(error) | Ok(Outcome::NotFetched(_, error)) => Err(error),
        }
    }

    /// The error of a user who leaves the command to itself.
    fn left_error(&self, what: &str) -> Error {
        let name = &self.request.vm_name;
        let message = format!("{what}: {name} is left as it is, until its TTL at the latest");
        Error::new(ErrorKind::Interrupted, message).with_hint(format!(
            "run the same line again, with the name {name}, to come back to the command"
        ))
    }

    async fn finish_ended(&self, instance: &Instance, ended: Ended, context: &mut Context) -> Result<ExitStatus> {
        let Ended { result, fetched } = ended;
        let keeps = self.args.keep.keeps(result.exit_code);
        let terminated = match keeps {
            true => Ok(()),
            false => self.terminate(instance, true, context).await,
        };
        let is_kept = keeps || terminated.is_err();
        let signal = result
            .exit_code
            .checked_sub(128)
            .filter(|signal| (1..=64).contains(signal));
        let usd = self.cost(instance, context);
        let cost = usd.map(format_usd).filter(|cost| cost != "0");
        let cost = cost.map(|cost| format!(", {cost} USD")).unwrap_or_default();
        let end = if is_kept {
            "is kept until its TTL"
        } else {
            "is being terminated"
        };
        let note = format!(
            "exit code {} after {}s{cost}; {} {end}",
            result.exit_code, result.seconds, self.request.vm_name
        );
        let record = Record::new(vec![
            ("name", json!(self.request.vm_name)),
            ("ref", json!(instance.reference.to_string())),
            ("code", json!(result.exit_code)),
            ("signal", json!(signal)),
            ("seconds", json!(result.seconds)),
            ("usd", json!(usd)),
            ("fetched", json!(fetched)),
            ("kept", json!(is_kept)),
        ]);
        if context.printer.prints_document() {
            let report = Report {
                items: vec![record],
                errors: terminated.err().into_iter().collect(),
            };
            let printed = context.print_report(&report, &RUNS);
            printed.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write the result: {error}")))?;
        } else if let Err(error) = terminated {
            // The command's own code is the answer; the TTL ends the VM.
            context.printer.report_error(&error);
        }
        context.printer.note(&note);
        Ok(ExitStatus::of_command(result.exit_code))
    }

    /// What the VM cost from its creation until now, in USD; `None` if its price is not known.
    fn cost(&self, instance: &Instance, context: &mut Context) -> Option<f64> {
        let mut priced = instance.clone();
        fill_in_prices(&mut priced, &context.catalog());
        let lifetime = context.now().duration_since(instance.created_at?);
        Some(priced.price_usd_per_hour? * lifetime.as_secs_f64().max(0.0) / 3600.0)
    }

    /// Sends the termination, also after a signal. `cleans_up` says whether there is time for the rest.
    async fn terminate(&self, instance: &Instance, cleans_up: bool, context: &mut Context) -> Result<()> {
        let clouds = context.clouds();
        let connect = |kind| clouds.get(kind);
        let plan = plan_termination(vec![instance.clone()], false, None)?;
        // One that no signal has reached: this call is what the signal is for.
        let unsignalled = Shutdown::default();
        let (ended, mut errors) = terminate(&connect, plan, &unsignalled).await;
        if cleans_up {
            errors.extend(report_kept_disks(&connect, &ended, &context.shutdown).await);
            for kept in delete_unused_firewall_rules(&connect, &ended, &context.shutdown).await {
                context.printer.note(&kept);
            }
        }
        match errors.into_iter().next() {
            Some(error) => Err(error.context(format_args!("{} was not terminated", self.request.vm_name))),
            None => Ok(()),
        }
    }
}
