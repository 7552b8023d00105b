//! `cloudctl doctor`: checks credentials, account, default location and connectivity of each cloud.

use std::time::Instant;

use serde_json::json;

use super::instance_args::check_account_of;
use crate::cloud::{Error, ErrorKind, Provider, ProviderKind};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{RegionSelection, list_all};
use crate::output::{DOCTOR, Record, Report};

/// Check credentials, account, default location and connectivity of each cloud
#[derive(clap::Args, Clone, Debug)]
pub struct Args {}

/// Checks each cloud and reports what works. Changes nothing.
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
            report.items.push(check_record(
                kind,
                "credentials",
                "none",
                "none found; this cloud is not asked",
            ));
            continue;
        }
        check_cloud(kind, context, &mut report).await;
    }
    let all_absent = report.items.iter().all(|item| item.get("result") == "none");
    if all_absent {
        report.errors.push(context.no_credentials_error());
    }
    let passed = report.items.iter().filter(|item| item.get("result") == "ok").count();
    let status = ExitStatus::from_batch(passed, &report.errors);
    let now = context.now();
    context.printer.print_report(&report, &DOCTOR, now)?;
    Ok(status)
}

async fn check_cloud(kind: ProviderKind, context: &Context, report: &mut Report) {
    let provider = context.clouds().get(kind);
    match provider.identity().await {
        Ok(identity) => {
            let principal = identity
                .principal
                .map(|principal| format!(" as {principal}"))
                .unwrap_or_default();
            let detail = format!("{}{principal}", identity.account);
            report.items.push(check_record(kind, "credentials", "ok", &detail));
        }
        // Without credentials every other check would fail for the same reason.
        Err(error) => return record_failure(kind, "credentials", error, report),
    }
    if context.settings.expected_account(context.info(kind)).is_some() {
        match check_account_of(provider.clone(), context).await {
            Ok(()) => report
                .items
                .push(check_record(kind, "account", "ok", "the expected one")),
            Err(error) => record_failure(kind, "account", error, report),
        }
    }
    match provider.default_location().await {
        Ok(location) => report.items.push(match location {
            Some(location) => check_record(kind, "default place", "ok", &location.to_string()),
            None => check_record(kind, "default place", "none", "create needs --region"),
        }),
        Err(error) => record_failure(kind, "default place", error, report),
    }
    check_connectivity(provider, report).await;
}

async fn check_connectivity(provider: std::sync::Arc<dyn Provider>, report: &mut Report) {
    let kind = provider.kind();
    let started = Instant::now();
    match list_all(&[provider], &RegionSelection::default(), &Default::default()).await {
        Ok(inventory) => {
            let result = if inventory.gaps.is_empty() { "ok" } else { "warning" };
            let detail = format!(
                "{} of {} locations answered in {} ms, {} VMs",
                inventory.answered,
                inventory.queried,
                started.elapsed().as_millis(),
                inventory.instances.len(),
            );
            report.items.push(check_record(kind, "reach", result, &detail));
            report.errors.extend(inventory.gaps.into_iter().map(Error::from));
        }
        Err(error) => record_failure(kind, "reach", error, report),
    }
}

fn record_failure(kind: ProviderKind, check: &str, error: Error, report: &mut Report) {
    report
        .items
        .push(check_record(kind, check, "failed", ErrorKind::as_str(error.kind())));
    report.errors.push(error.at_if_unset(kind));
}

fn check_record(kind: ProviderKind, check: &str, result: &str, detail: &str) -> Record {
    Record::new(vec![
        ("provider", json!(kind.as_str())),
        ("check", json!(check)),
        ("result", json!(result)),
        ("detail", json!(detail)),
    ])
}
