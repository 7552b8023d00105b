//! `cloudctl region`: lists the regions of the clouds.

use futures_util::future::join_all;

use super::instance_args::finish_listing;
use super::machine_type_args::matching_regions;
use crate::cloud::{Error, Gap, quoted};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{REGIONS, Record};

/// Show the regions of the clouds
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Subcommands {
    /// List the regions that this account can use, and the areas they are in
    ///
    /// An area stands for all of its regions: `create -r europe`. With -r, only those regions and areas.
    #[command(alias = "ls")]
    List,
}

/// Lists the regions of each cloud.
pub async fn run(subcommand: Subcommands, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Subcommands::List = subcommand;
    context.printer.check_format(&REGIONS)?;
    // A variable or a context sets where to create VMs. Only the flag limits this list.
    let setting = &context.settings.regions;
    let words = match setting.source.is_flag() {
        true => setting.value.clone().unwrap_or_default(),
        false => Vec::new(),
    };
    let providers = context.providers_to_query()?;
    let queries = providers.iter().map(|provider| provider.regions());
    let (mut items, mut gaps) = (Vec::new(), Vec::new());
    let mut unknown = words.clone();
    for (provider, answer) in providers.iter().zip(join_all(queries).await) {
        let cloud = provider.info();
        match answer {
            Ok(regions) => {
                unknown.retain(|word| matching_regions(cloud, std::slice::from_ref(word), &regions).is_empty());
                let shown = match words.is_empty() {
                    true => regions,
                    false => matching_regions(cloud, &words, &regions),
                };
                items.extend(shown.iter().map(|name| Record::from_region(cloud, name)));
            }
            Err(error) => gaps.push(Gap::new(error, provider.kind())),
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
