//! `cloudctl whoami`: shows the account and the user of each cloud.

use futures_util::future::join_all;

use super::instance_args::print_batch;
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{IDENTITIES, Record, Report};

/// Show the account or project and the user of each cloud
#[derive(clap::Args, Clone, Debug)]
pub struct Args {}

/// Shows the identity of the credentials of each cloud.
pub async fn run(_: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&IDENTITIES)?;
    let providers = context.providers_to_query()?;
    let mut report = Report::default();
    let answers = join_all(providers.iter().map(|provider| provider.identity())).await;
    for (provider, answer) in providers.iter().zip(answers) {
        match answer {
            Ok(identity) => report.items.push(Record::from_identity(provider.kind(), &identity)),
            Err(error) => report.errors.push(error.at(provider.kind())),
        }
    }
    print_batch(&report, &IDENTITIES, context)
}
