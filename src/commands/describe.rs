//! `cloudctl describe`: shows all fields of VMs.

use futures_util::future::join_all;

use super::instance_args::{InstanceArgs, find_instances};
use super::price_list::monthly_price;
use crate::cloud::{Error, Instance};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{FILLED_IN_FIELDS, fill_in_all_prices};
use crate::output::{INSTANCES, Record, Report, explain_unknown_price};

/// Show all fields of VMs
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// Shows all fields of each VM.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&INSTANCES)?;
    let selection = args.targets.to_selection();
    let mut resolved = find_instances(&selection, context).await?;
    if !selection.names_each_instance() {
        // As `list` shows them.
        resolved.add_terminating();
    }
    if let Some(reason) = resolved.describe_empty() {
        context.printer.note(&reason);
    }
    let mut errors: Vec<Error> = resolved.open_gaps.iter().cloned().map(Error::from).collect();
    let found = resolved.into_all()?;
    let mut instances = Vec::new();
    let clouds = context.clouds();
    let details = found.iter().map(|instance| {
        let provider = clouds.get(instance.provider);
        async move { provider.get(&instance.reference).await }
    });
    for answer in join_all(details).await {
        match answer {
            Ok(instance) => instances.push(instance),
            Err(error) => errors.push(error),
        }
    }
    let needs_catalog = context.printer.prints_pages() || context.printer.shows_any(&INSTANCES, &FILLED_IN_FIELDS);
    if needs_catalog {
        fill_in_all_prices(&mut instances, Some(&context.catalog()));
    }
    for instance in &instances {
        if let Some(problem) = &instance.label_problem {
            let reference = &instance.reference;
            let warning = format!("{reference}: cloudctl's own labels on it are invalid: {problem}");
            context.printer.warn(&warning);
        }
    }
    let now = context.now();
    let report = match context.printer.prints_pages() {
        true => Report {
            items: instances
                .iter()
                .map(|instance| page_record(instance, context))
                .collect(),
            errors,
        },
        false => Report::from_instances(&instances, errors),
    };
    context.printer.print_pages(&report, &INSTANCES, now)?;
    Ok(ExitStatus::from_batch(instances.len(), &report.errors))
}

/// The record of an instance for its page: with its price per month, or why that is not known.
fn page_record(instance: &Instance, context: &Context) -> Record {
    let note = match instance.price_usd_per_hour {
        None if !instance.state.is_gone() => Some(explain_unknown_price(instance, context.info(instance.provider))),
        _ => None,
    };
    let per_month = instance.price_usd_per_hour.map(monthly_price);
    Record::from(instance).with_price_details(per_month, note.as_deref())
}
