//! `cloudctl region`

use clap::Subcommand;
use futures_util::future::join_all;

use super::targets::conclude_listing;
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::output::{REGIONS, Record};

/// Show the regions of the clouds
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// List the regions that this account can use, and the areas they are in
    ///
    /// An area stands for all of its regions: `create -r europe`.
    List,
}

/// Lists regions.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    let Verb::List = args.verb;
    context.printer.check(&REGIONS)?;
    let providers = context.providers_to_ask()?;
    let asked = providers.iter().map(|provider| provider.regions());
    let (mut items, mut gaps) = (Vec::new(), Vec::new());
    for (provider, answer) in providers.iter().zip(join_all(asked).await) {
        match answer {
            Ok(regions) => items.extend(regions.iter().map(|name| Record::of_region(provider.kind(), name))),
            Err(error) if error.location().is_none() => gaps.push(error.at(provider.kind().as_str())),
            Err(error) => gaps.push(error),
        }
    }
    conclude_listing(items, gaps, &REGIONS, context)
}
