//! `cloudctl region`: lists the regions of the clouds.

use clap::Subcommand;
use futures_util::future::join_all;

use super::instance_args::finish_listing;
use super::machine_type_args::matching_regions;
use crate::cloud::{Error, Gap, quoted};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{REGIONS, Record};
use crate::settings::{Setting, Source};

/// Show the regions of the clouds
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Clone, Debug, Subcommand)]
enum Subcommands {
    /// List the regions that this account can use, and the areas they are in
    ///
    /// An area stands for all of its regions: `create -r europe`. With -r, only those regions and areas.
    List,
}

/// Lists the regions of each cloud.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Subcommands::List = args.command;
    context.printer.check(&REGIONS)?;
    let named = match &context.settings.regions {
        // A variable or a context sets where to create VMs. Only the flag limits this list.
        Setting {
            value: Some(named),
            source: Source::Flag(_),
        } => named.clone(),
        _ => Vec::new(),
    };
    let providers = context.providers_to_query()?;
    let queries = providers.iter().map(|provider| provider.regions());
    let (mut items, mut gaps) = (Vec::new(), Vec::new());
    let mut unknown = named.clone();
    for (provider, answer) in providers.iter().zip(join_all(queries).await) {
        let kind = provider.kind();
        match answer {
            Ok(mut regions) if !named.is_empty() => {
                unknown
                    .retain(|word| matching_regions(provider.info(), std::slice::from_ref(word), &regions).is_empty());
                regions = matching_regions(provider.info(), &named, &regions);
                items.extend(regions.iter().map(|name| Record::from_region(provider.info(), name)));
            }
            Ok(regions) => items.extend(regions.iter().map(|name| Record::from_region(provider.info(), name))),
            Err(error) => gaps.push(Gap::new(error, kind)),
        }
    }
    // With a gap the region may exist: the cloud that did not answer may have it.
    if gaps.is_empty()
        && let Some(word) = unknown.first()
    {
        for provider in &providers {
            provider.resolve_location(Some(word), None).await?;
        }
        let error = Error::invalid(format!("this account cannot use a region {}", quoted(word)));
        return Err(error.with_hint("leave -r out for all of them").into());
    }
    finish_listing(items, gaps, &REGIONS, context)
}
