//! `cloudctl list`

use clap::Args as ClapArgs;

use super::targets::{note_left_out, scope, warn_of_gap};
use crate::cloud::{InstanceState, ListFilter};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::{Filter, LabelSelector, SortOrder, take_inventory};
use crate::output::{INSTANCES, Report};

/// List VMs of all regions of all clouds
///
/// Asks every enabled region of every cloud whose credentials are found, at once. A location that does not answer is
/// named, and the exit code is then 7.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Only VMs with these labels: key=value, key!=value, key, !key
    #[arg(short = 'l', long = "label", value_name = "SELECTOR")]
    selectors: Vec<LabelSelector>,
    /// Only VMs whose fields are so: state=running,age>2h,label.env~ci
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// Order by these fields; a hyphen turns one round
    #[arg(
        long,
        value_name = "FIELDS",
        default_value = "provider,region,name,id",
        allow_hyphen_values = true
    )]
    sort: SortOrder,
    /// Also VMs that are gone but still listed by their cloud
    #[arg(short, long)]
    all: bool,
    /// Only VMs made by cloudctl
    #[arg(long)]
    managed: bool,
}

/// Lists, and names what is missing.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let providers = context.providers_to_ask()?;
    let filter = ListFilter {
        managed: args.managed,
        ..ListFilter::default()
    };
    let mut inventory = take_inventory(&providers, &scope(context), &filter).await?;
    note_left_out(&inventory.left_out, context);
    let now = context.now();
    inventory.instances.retain(|instance| {
        (args.all || instance.state != InstanceState::Terminated)
            && args.selectors.iter().all(|selector| selector.admits(instance))
            && args.filter.iter().all(|filter| filter.admits(instance, now))
    });
    args.sort.sort(&mut inventory.instances, now);

    let status = if inventory.is_blind() {
        ExitStatus::of_batch(0, &inventory.gaps)
    } else if inventory.gaps.is_empty() {
        ExitStatus::DONE
    } else {
        ExitStatus::PARTIAL
    };
    let (blind, asked) = (inventory.is_blind(), inventory.asked);
    let report = Report::of_instances(&inventory.instances, inventory.gaps);
    if blind {
        context.printer.report(&report, &INSTANCES, now)?;
        return Ok(status);
    }
    context.printer.items(&report, &INSTANCES, now)?;
    if report.items.is_empty() && report.errors.is_empty() {
        context.printer.note("no VMs");
    }
    for gap in &report.errors {
        warn_of_gap(gap, context);
    }
    match report.errors.len() {
        0 => {}
        missing => context.printer.warning(&format!(
            "the list is incomplete: {missing} of {} did not answer",
            locations(asked.max(missing))
        )),
    }
    Ok(status)
}

fn locations(count: usize) -> String {
    if count == 1 {
        "1 location".to_owned()
    } else {
        format!("{count} locations")
    }
}
