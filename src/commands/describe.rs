//! `cloudctl describe`: shows all fields of VMs.

use futures_util::future::join_all;

use super::instance_args::{InstanceArgs, find_all};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{INSTANCES, Report};

/// Show all fields of VMs
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    targets: InstanceArgs,
}

/// Shows all fields of each VM.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&INSTANCES)?;
    let found = find_all(&args.targets.references, context).await?;
    let mut instances = Vec::new();
    let mut errors = Vec::new();
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
    for instance in &instances {
        if let Some(problem) = &instance.label_problem {
            let reference = &instance.reference;
            context.printer.warn(&format!(
                "{reference}: cloudctl's own labels on it make no sense: {problem}"
            ));
        }
    }
    let status = ExitStatus::from_batch(instances.len(), &errors);
    let now = context.now();
    context
        .printer
        .print_details(&Report::from_instances(&instances, errors), &INSTANCES, now)?;
    Ok(status)
}
