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
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::args::usd_argument;
use self::progress::create_all;
use self::spec_file::merge::SpecFile;
use self::vm_request::VmRequest;
use super::targets::{DEFAULT_TIMEOUT, check_account_of, print_expiry};
use crate::cloud::{
    Architecture, Error, ErrorKind, Gpu, IngressRule, Instance, InstanceName, Leftover, Provider, Result, Secret,
    parse_duration,
};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::SSH_PORT;
use crate::output::{INSTANCES, PLANS, Report};
use crate::settings::one_of;

pub(super) use self::args::memory_argument;
pub use self::args::{FallbackValue, WaitValue};
pub(super) use self::spec_file::schema::spec_schema;
pub(super) use self::vm_request::own_key;

/// Create a VM, or several
///
/// The name is the key: running the same command again gives the same VM and never a second one. Where it goes is
/// never guessed: pass -p and -r or -z, or have them in a context or the cloud's own configuration.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Name of the VM; a fresh one is made up if it is left out
    name: Option<String>,
    /// Machine type in the cloud's own word [default: a small general-purpose one]
    #[arg(long = "type", value_name = "TYPE")]
    machine_type: Option<String>,
    /// At least so many virtual CPUs; the cheapest machine type that fits is taken
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// At least so much memory in GiB
    #[arg(long, value_name = "GIB", value_parser = memory_argument)]
    memory: Option<f64>,
    /// Instruction set
    #[arg(long, value_name = "ARCH", value_parser = one_of::<Architecture>(&["x86_64", "arm64"]))]
    arch: Option<Architecture>,
    /// GPUs, such as t4 or l4:2
    #[arg(long, value_name = "KIND[:N]")]
    gpu: Option<Gpu>,
    /// Most that it may cost, in USD per hour: refused if nothing that fits costs less or its price is not known
    #[arg(long, value_name = "USD", value_parser = usd_argument)]
    max_price: Option<f64>,
    /// Most that all VMs it is given for may cost together, in USD: how long they may live is what this buys
    ///
    /// As a flag it is for all VMs of the command. In a file it is for all VMs of the file, except those of the list `vm`
    /// that have a budget or a TTL of their own; there it is for that VM or that group.
    #[arg(long, value_name = "USD", value_parser = usd_argument, conflicts_with = "ttl")]
    budget: Option<f64>,
    /// Image: an alias such as ubuntu-24.04, or the cloud's own id [default: ubuntu-24.04]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Boot disk in GiB [default: the image's own size]
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..))]
    disk: Option<u32>,
    /// Type of the boot disk in the cloud's own word [default: its general-purpose SSD]
    #[arg(long, value_name = "TYPE")]
    disk_type: Option<String>,
    /// How many VMs; above 1 they are called NAME-1 to NAME-N [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: Option<u32>,
    /// Public key file, or the name of a key pair that the cloud has; `none` is no key [default: your own public key]
    #[arg(long, value_name = "FILE|NAME|none")]
    ssh_key: Option<String>,
    /// File whose content the VM's cloud-init runs at first boot; - is standard input
    #[arg(long, value_name = "FILE|-")]
    user_data: Option<String>,
    /// Network (gcp) or VPC (aws) [default: the default one]
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Subnet
    #[arg(long, value_name = "SUBNET")]
    subnet: Option<String>,
    /// Security group (aws) or network tag (gcp); may be given several times
    #[arg(long = "firewall", value_name = "FIREWALL")]
    firewalls: Vec<String>,
    /// Ports to open to it, from everywhere or from a network only, such as 22,443/203.0.113.0/24
    #[arg(long = "open", value_name = "PORT[/CIDR]", value_delimiter = ',')]
    openings: Vec<IngressRule>,
    /// No public address
    #[arg(long)]
    no_public_ip: bool,
    /// Instance profile (aws) or service account (gcp) that the VM acts as
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// Label; may be given several times
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Run on spare capacity that the cloud can take back
    #[arg(long)]
    spot: bool,
    /// Protect it against termination
    #[arg(long)]
    protect: bool,
    /// How long it may live, such as 2h; its cloud ends it then, or a timer inside it (aws). `never` is no limit
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// Where to go on looking for room when there is none, and in this order: the region's other zones, other machine
    /// types that fit, the area's other regions, other providers
    #[arg(long, value_name = "WHERE", value_delimiter = ',')]
    fallback: Vec<FallbackValue>,
    /// An option of this provider alone; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    native: Vec<String>,
    /// Read what to create from a TOML, YAML or JSON file whose keys are the flags' names; - is standard input. Flags
    /// override it. Several VMs are a list `vm`
    #[arg(short, long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// What standard input has of user data.
    #[arg(skip)]
    input: Option<Secret<Vec<u8>>>,
    /// What to wait for [default: running]
    #[arg(long, value_name = "STATE")]
    wait: Option<WaitValue>,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIMEOUT, value_parser = parse_duration)]
    timeout: Duration,
    /// The port that SSH is waited for on
    #[arg(long, value_name = "PORT", default_value_t = SSH_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    ssh_port: u16,
    /// Show what would be made, and make nothing; with the exit code that making it would have, as far as the cloud says
    #[arg(long)]
    dry_run: bool,
}

/// Creates what is asked for, once.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(if args.dry_run { &PLANS } else { &INSTANCES })?;
    let files = match args.file.as_deref() {
        Some(path) => {
            let home_path = path.to_str().map(|path| context.settings.environment.expand_path(path));
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
            order.wish.budget = Some(budget / names as f64);
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
    let _change = context.shutdown.enter_critical_section()?;
    let (mut instances, mut errors) = create_all(&orders, context).await;
    instances = wait::wait(&orders, instances, timeout, &mut errors, context).await;
    let order = |instance: &Instance| {
        names
            .iter()
            .position(|name| instance.name.as_deref() == Some(name.as_str()))
    };
    instances.sort_by_cached_key(order);
    let alive = instances.iter().filter(|instance| !instance.state.is_gone()).count();
    let status = match ExitStatus::from_batch(alive, &errors) {
        _ if alive > 0 && context.shutdown.status().is_some() => ExitStatus::UNKNOWN,
        // One VM that exists and is not ready is not a part of something.
        ExitStatus::PARTIAL if names.len() == 1 => ExitStatus::from_kind(errors[0].kind()),
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
    for provider in providers_of(orders) {
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

fn providers_of(orders: &[VmRequest]) -> Vec<Arc<dyn Provider>> {
    let asked = orders
        .iter()
        .flat_map(|order| order.sites.iter().map(|(provider, _)| provider));
    let all = asked.chain(orders.iter().flat_map(|order| &order.others));
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    for provider in all {
        if !providers.iter().any(|known| known.kind() == provider.kind()) {
            providers.push(Arc::clone(provider));
        }
    }
    providers
}

/// The names of all that is ordered; no two of them are the same.
fn names_of(orders: &[VmRequest]) -> Result<Vec<InstanceName>> {
    let names: Vec<_> = orders
        .iter()
        .map(|order| order.wish.spec.instance_names())
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
        .print_report(&Report::from_instances(instances, errors), &INSTANCES, now);
    if printed.is_err() || context.printer.is_closed() {
        for instance in instances {
            context
                .printer
                .warn(&format!("stdout cannot be written; {} exists", instance.reference));
        }
    }
    Ok(printed?)
}
