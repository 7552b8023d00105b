//! Runs one emulator until Ctrl-C, for people and for programs that are not written in Rust.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::{ec2, gce, parse_time};
use tokio::signal::unix::{SignalKind, signal};

/// Emulates AWS EC2 or Google Compute Engine on this machine, until Ctrl-C
///
/// Prints the environment variables that point clients at the emulator, one `export` a line.
#[derive(Parser)]
#[command(name = "cloud-emulators", version)]
struct Cli {
    #[command(subcommand)]
    cloud: Cloud,
}

#[derive(Subcommand)]
enum Cloud {
    /// AWS EC2, and as much of STS as tells who calls
    Ec2(Options),
    /// Google Compute Engine
    Gce(Options),
}

#[derive(Args)]
struct Options {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Starts with COUNT running VMs in a region of EC2 or a zone of Compute Engine; may be repeated
    #[arg(long, value_name = "LOCATION=COUNT", value_parser = parse_seed)]
    seed: Vec<(String, usize)>,
    /// Delays every answer by this time, such as 200ms
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    latency: Option<Duration>,
    /// Injects a fault: OPERATION[@LOCATION]=EFFECT[,times=N][,skip=N][,share=P]; may be repeated
    ///
    /// The operation `*` means every one. The effects are error:STATUS:CODE, error-after:STATUS:CODE, reset,
    /// reset-after, hang, hang-after, truncate, garbage and delay:TIME. With `-after`, truncate, garbage and delay the
    /// call takes effect before it fails.
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Fault>,
    /// How long a VM takes to start, stop or go [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    transition: Option<Duration>,
    /// Hides a new VM from lists for this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    listing_lag: Option<Duration>,
    /// Lets this zone have no capacity; may be repeated
    #[arg(long, value_name = "ZONE")]
    no_capacity: Vec<String>,
}

fn main() -> ExitCode {
    let result = match Cli::parse().cloud {
        Cloud::Ec2(options) => run_ec2(&options),
        Cloud::Gce(options) => run_gce(&options),
    };
    let Err(message) = result else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(2)
}

fn run_ec2(options: &Options) -> Result<(), String> {
    let regions: Vec<String> = ec2::regions().map(str::to_owned).collect();
    let zones: Vec<String> = ec2::zones().collect();
    check(
        options,
        &ec2::operations().collect::<Vec<_>>(),
        &regions,
        &regions,
        &zones,
    )?;
    let emulator = ec2::Emulator::start_on(options.port).map_err(|error| port_error(options, &error))?;
    for (region, count) in &options.seed {
        emulator.seed_instances(region, *count);
    }
    options.faults().for_each(|fault| emulator.inject(fault));
    if let Some(time) = options.transition {
        emulator.set_transition(time);
    }
    if let Some(time) = options.listing_lag {
        emulator.set_lag(time);
    }
    options.no_capacity.iter().for_each(|zone| emulator.exhaust_zone(zone));
    let url = emulator.url();
    serve(
        &format!("EC2 is emulated at {url}"),
        &[
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ],
    )
}

fn run_gce(options: &Options) -> Result<(), String> {
    let zones: Vec<String> = gce::zones().collect();
    let locations: Vec<String> = zones.iter().cloned().chain(gce::regions().map(str::to_owned)).collect();
    check(
        options,
        &gce::operations().collect::<Vec<_>>(),
        &locations,
        &zones,
        &zones,
    )?;
    let emulator = gce::Emulator::start_on(options.port, None).map_err(|error| port_error(options, &error))?;
    for (zone, count) in &options.seed {
        emulator.seed_instances(zone, *count);
    }
    options.faults().for_each(|fault| emulator.inject(fault));
    if let Some(time) = options.transition {
        emulator.set_transition_time(time);
    }
    if let Some(time) = options.listing_lag {
        emulator.set_lag(time);
    }
    options.no_capacity.iter().for_each(|zone| emulator.exhaust_zone(zone));
    serve(
        &format!("Compute Engine is emulated at {}", emulator.url()),
        &[
            (
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
                &format!("{}/compute/v1/", emulator.url()),
            ),
            ("CLOUDSDK_AUTH_ACCESS_TOKEN", "a-token"),
            ("CLOUDSDK_CORE_PROJECT", gce::PROJECT),
            ("CLOUDSDK_COMPUTE_REGION", "us-central1"),
            ("CLOUDSDK_COMPUTE_ZONE", "us-central1-a"),
        ],
    )
}

impl Options {
    /// The faults in order; the latency is the last, so that it does not hide the others.
    fn faults(&self) -> impl Iterator<Item = Fault> {
        let latency = self.latency.map(|time| Fault::on_all(Effect::Delay(time)));
        self.fault.iter().cloned().chain(latency)
    }
}

/// Refuses names that the emulated cloud does not have: they would have no effect, and nobody would notice.
fn check(
    options: &Options,
    operations: &[&str],
    fault_locations: &[String],
    seed_locations: &[String],
    zones: &[String],
) -> Result<(), String> {
    for fault in &options.fault {
        if let Some(name) = fault.operation.as_deref().filter(|name| !operations.contains(name)) {
            return Err(format!(
                "--fault: unknown operation `{name}`; there are {}",
                operations.join(", ")
            ));
        }
        if let Some(location) = &fault.location {
            check_known("--fault", location, fault_locations)?;
        }
    }
    let mut seeded = BTreeSet::new();
    for (location, _) in &options.seed {
        check_known("--seed", location, seed_locations)?;
        if !seeded.insert(location) {
            return Err(format!("--seed: `{location}` is given twice"));
        }
    }
    options
        .no_capacity
        .iter()
        .try_for_each(|zone| check_known("--no-capacity", zone, zones))
}

fn check_known(flag: &str, name: &String, known: &[String]) -> Result<(), String> {
    if known.contains(name) {
        return Ok(());
    }
    Err(format!(
        "{flag}: unknown location `{name}`; there are {}",
        known.join(", ")
    ))
}

/// `us-east-1=100`
fn parse_seed(text: &str) -> Result<(String, usize), String> {
    let parts = text.split_once('=');
    let seed = parts.and_then(|(location, count)| Some((location.to_owned(), count.parse().ok()?)));
    let seed = seed.filter(|(_, count)| (1..=100_000).contains(count));
    seed.ok_or_else(|| "expected LOCATION=COUNT with a count from 1 to 100000".to_owned())
}

fn port_error(options: &Options, error: &std::io::Error) -> String {
    format!("--port: cannot listen on port {}: {error}", options.port)
}

/// Prints how to reach the emulator, and waits for Ctrl-C or SIGTERM.
fn serve(title: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        // Before anything is printed: who reads it may send a signal at once.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let mut text = format!("# {title}; press Ctrl-C to stop it.\n");
        for (name, value) in variables {
            text.push_str(&format!("export {name}={value}\n"));
        }
        let mut stdout = std::io::stdout();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| format!("cannot write to standard output: {error}"))?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
