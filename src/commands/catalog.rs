//! `cloudctl catalog`: shows the catalog and updates its prices.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use jiff::tz::TimeZone;
use serde_json::json;

use super::instance_args::print_batch;
use crate::catalog::{PriceFile, metadata};
use crate::cloud::{CloudInfo, Error, ErrorKind, path_text};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::output::{CATALOG_PARTS, Record, Report, UPDATES};

/// Show and update the known machine types and prices
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Subcommands {
    /// Show the sources, licence, date and size of the data
    Show,
    /// Fetch the prices that the clouds publish
    ///
    /// Needs credentials: on AWS for pricing:GetProducts, on Google Cloud for the Cloud Billing API. The prices are stored
    /// in the cache folder, or in the file that CLOUDCTL_CATALOG names.
    Update,
}

/// Runs `catalog show` or `catalog update`.
pub async fn run(subcommand: Subcommands, context: &mut Context) -> anyhow::Result<ExitStatus> {
    match subcommand {
        Subcommands::Show => show_metadata(context),
        Subcommands::Update => update_prices(context).await,
    }
}

/// The source of a cloud's prices.
fn price_source(cloud: &CloudInfo) -> &'static str {
    cloud.price_source.unwrap_or(cloud.kind.as_str())
}

fn show_metadata(context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&CATALOG_PARTS)?;
    let built_in = metadata();
    let mut report = Report::default();
    report.items.push(Record::new(vec![
        ("part", json!("built in")),
        ("source", json!(built_in.source)),
        ("licence", json!(built_in.licence)),
        ("as_of", json!(built_in.as_of.to_string())),
        ("rows", json!(built_in.rows)),
        ("prices", json!(built_in.prices)),
        ("bytes", json!(built_in.bytes)),
        ("file", json!(null)),
    ]));
    let catalog = context.catalog();
    let path = context.catalog_path();
    let file_metadata = path.as_ref().and_then(|path| std::fs::metadata(path).ok());
    let bytes = file_metadata.map(|metadata| metadata.len());
    for (kind, prices) in catalog.fetched().clouds() {
        report.items.push(Record::new(vec![
            ("part", json!(format!("fetched {kind}"))),
            ("source", json!(price_source(context.info(kind)))),
            ("licence", json!(null)),
            ("as_of", json!(prices.as_of.to_string())),
            ("rows", json!(null)),
            ("prices", json!(prices.count())),
            ("bytes", json!(bytes)),
            ("file", json!(path.as_ref().map(path_text))),
        ]));
    }
    context.print_report(&report, &CATALOG_PARTS)?;
    Ok(ExitStatus::DONE)
}

async fn update_prices(context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&UPDATES)?;
    let path = context.catalog_path().ok_or_else(|| {
        Error::invalid("there is no home folder to store prices in").with_hint("name a file with CLOUDCTL_CATALOG")
    })?;
    let providers = context.providers_to_query()?;
    let catalog = context.catalog();
    let answers = join_all(providers.iter().map(|provider| provider.published_prices())).await;
    let today = context.now().to_zoned(TimeZone::UTC).date();
    let mut fetched: PriceFile = catalog.fetched().clone();
    let mut report = Report::default();
    for (provider, answer) in providers.iter().zip(answers) {
        let kind = provider.kind();
        match answer {
            // An empty price list does not replace the prices that were fetched before.
            Ok(prices) if prices.is_empty() => {
                let message = format!(
                    "{} gave no prices that cloudctl understands",
                    price_source(provider.info())
                );
                report.errors.push(Error::new(ErrorKind::Incomplete, message).at(kind));
            }
            Ok(prices) => {
                let regions: BTreeSet<_> = prices.iter().map(|price| price.region.as_str()).collect();
                fetched.replace(kind, today, &prices);
                report.items.push(Record::new(vec![
                    ("provider", json!(kind.as_str())),
                    ("prices", json!(fetched.prices_of(kind).map(|prices| prices.count()))),
                    ("regions", json!(regions.len())),
                    ("as_of", json!(today.to_string())),
                    ("source", json!(price_source(provider.info()))),
                    ("file", json!(path_text(&path))),
                ]));
            }
            Err(error) => report.errors.push(error.at_if_unset(kind)),
        }
    }
    if !report.items.is_empty() {
        fetched.write(&path)?;
    }
    print_batch(&report, &UPDATES, context)
}
