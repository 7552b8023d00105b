//! `cloudctl doctor`

use std::time::Instant;

use serde_json::json;

use super::targets::check_account_of;
use crate::cloud::{Error, ErrorKind, Provider, ProviderKind};
use crate::context::Context;
use crate::exit::ExitStatus;
use crate::operations::{RegionSelection, list_all};
use crate::output::{DOCTOR, Record, Report};

/// Check credentials, account, default place and reach of each cloud
#[derive(clap::Args, Clone, Debug)]
pub struct Args {}

/// Looks at each cloud and says what works; changes nothing.
pub async fn run(_: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check(&DOCTOR)?;
    let named = context.settings.providers.value.clone();
    let with_credentials = context.infos().iter().filter(|info| info.needs_credentials);
    let kinds = named
        .clone()
        .unwrap_or_else(|| with_credentials.map(|info| info.kind).collect());
    let mut report = Report::default();
    for kind in kinds {
        if named.is_none() && !context.has_credentials(kind) {
            report
                .items
                .push(row(kind, "credentials", "none", "none found; this cloud is not asked"));
            continue;
        }
        check_cloud(kind, context, &mut report).await;
    }
    let all_absent = report.items.iter().all(|item| item.get("result") == "none");
    if all_absent {
        report.errors.push(context.no_credentials_error());
    }
    let good = report.items.iter().filter(|item| item.get("result") == "ok").count();
    let status = ExitStatus::from_batch(good, &report.errors);
    let now = context.now();
    context.printer.print_report(&report, &DOCTOR, now)?;
    Ok(status)
}

async fn check_cloud(kind: ProviderKind, context: &Context, report: &mut Report) {
    let provider = context.clouds().get(kind);
    match provider.identity().await {
        Ok(identity) => {
            let who = identity
                .principal
                .map(|principal| format!(" as {principal}"))
                .unwrap_or_default();
            report
                .items
                .push(row(kind, "credentials", "ok", &format!("{}{who}", identity.account)));
        }
        // Without credentials every other check would fail for the same reason.
        Err(error) => return fail(kind, "credentials", error, report),
    }
    if context.settings.expected_account(context.info(kind)).is_some() {
        match check_account_of(provider.clone(), context).await {
            Ok(()) => report.items.push(row(kind, "account", "ok", "the expected one")),
            Err(error) => fail(kind, "account", error, report),
        }
    }
    match provider.default_location().await {
        Ok(Some(place)) => report.items.push(row(kind, "default place", "ok", &place.to_string())),
        Ok(None) => report
            .items
            .push(row(kind, "default place", "none", "create needs --region")),
        Err(error) => fail(kind, "default place", error, report),
    }
    check_connectivity(provider, report).await;
}

async fn check_connectivity(provider: std::sync::Arc<dyn Provider>, report: &mut Report) {
    let kind = provider.kind();
    let started = Instant::now();
    match list_all(&[provider], &RegionSelection::default(), &Default::default()).await {
        Ok(inventory) => {
            let (asked, found) = (inventory.queried, inventory.instances.len());
            let millis = started.elapsed().as_millis();
            let result = if inventory.gaps.is_empty() { "ok" } else { "warning" };
            let detail = format!(
                "{} of {asked} locations answered in {millis} ms, {found} VMs",
                inventory.answered
            );
            report.items.push(row(kind, "reach", result, &detail));
            report.errors.extend(inventory.gaps.into_iter().map(Error::from));
        }
        Err(error) => fail(kind, "reach", error, report),
    }
}

fn fail(kind: ProviderKind, check: &str, error: Error, report: &mut Report) {
    report
        .items
        .push(row(kind, check, "failed", ErrorKind::as_str(error.kind())));
    report.errors.push(error.at_if_unset(kind));
}

fn row(kind: ProviderKind, check: &str, result: &str, detail: &str) -> Record {
    Record::new(vec![
        ("provider", json!(kind.as_str())),
        ("check", json!(check)),
        ("result", json!(result)),
        ("detail", json!(detail)),
    ])
}
