//! `cloudctl doctor`: checks credentials, account, default location and connectivity of each cloud.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::instance_args::check_account_of;
use crate::cloud::{Error, Instance, InstanceState, Provider, ProviderKind};
use crate::command_context::Context;
use crate::exit::ExitStatus;
use crate::operations::{RegionSelection, list_all};
use crate::output::{DOCTOR, Record, Report};

/// Check credentials, account, default location and connectivity of each cloud
#[derive(clap::Args, Clone, Debug)]
pub struct Args {}

/// Checks each cloud and reports what works. Changes nothing.
pub async fn run(_: Args, context: &mut Context) -> anyhow::Result<ExitStatus> {
    context.printer.check_format(&DOCTOR)?;
    let mut report = Report::default();
    match context.settings.providers.value.clone() {
        Some(named) => {
            for kind in named {
                check_cloud(kind, context, &mut report).await;
            }
        }
        None => {
            for cloud in context.infos().iter().filter(|cloud| cloud.needs_credentials) {
                if context.has_credentials(cloud.kind) {
                    check_cloud(cloud.kind, context, &mut report).await;
                    continue;
                }
                let detail = "none found; this cloud is not asked";
                let record = check_record(cloud.kind, "credentials", "none", detail);
                report.items.push(record);
            }
        }
    }
    let nothing_checked = report.items.iter().all(|item| item.get("result") == "none");
    if nothing_checked {
        report.errors.push(context.no_credentials_error());
    }
    let passed = report.items.iter().filter(|item| item.get("result") == "ok").count();
    let status = ExitStatus::from_batch(passed, &report.errors);
    context.print_report(&report, &DOCTOR)?;
    Ok(status)
}

async fn check_cloud(kind: ProviderKind, context: &Context, report: &mut Report) {
    let provider = context.clouds().get(kind);
    match provider.identity().await {
        Ok(identity) => {
            let detail = match identity.principal {
                Some(principal) => format!("{} as {principal}", identity.account),
                None => identity.account,
            };
            report.items.push(check_record(kind, "credentials", "ok", &detail));
        }
        // Without credentials every other check would fail for the same reason.
        Err(error) => return record_failure(kind, "credentials", error, report),
    }
    if context.settings.expected_account(context.info(kind)).is_some() {
        match check_account_of(provider.clone(), context).await {
            Ok(()) => {
                let record = check_record(kind, "account", "ok", "the expected one");
                report.items.push(record);
            }
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

async fn check_connectivity(provider: Arc<dyn Provider>, report: &mut Report) {
    let kind = provider.kind();
    let started = Instant::now();
    match list_all(&[provider], &RegionSelection::default(), &Default::default()).await {
        Ok(inventory) => {
            let result = if inventory.gaps.is_empty() { "ok" } else { "warning" };
            // As many as `list` shows.
            let is_listed = |instance: &&Instance| instance.state != InstanceState::Terminated;
            let detail = format!(
                "{} of {} locations answered in {} ms, {} VMs",
                inventory.answered,
                inventory.queried,
                started.elapsed().as_millis(),
                inventory.instances.iter().filter(is_listed).count(),
            );
            report.items.push(check_record(kind, "reach", result, &detail));
            report.errors.extend(inventory.gaps.into_iter().map(Error::from));
        }
        Err(error) => record_failure(kind, "reach", error, report),
    }
}

fn record_failure(kind: ProviderKind, check: &str, error: Error, report: &mut Report) {
    let record = check_record(kind, check, "failed", error.kind().as_str());
    report.items.push(record);
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
