//! Opens ports: creates firewall rules before an instance, checks them after it, and deletes them with the last
//! instance that uses their network tag.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{Firewall, InstanceAggregatedList, Operation};

use super::firewall_rule::{FirewallRules, is_equivalent, is_managed, managed_tag};
use crate::cloud::{CreateOutcome, Error, ErrorKind, Instance, Leftover, ProviderKind, Result};
use crate::providers::gcp::api::client::{Client, NO_ZONE, fresh_request_id, with_call_options};
use crate::providers::gcp::api::error::{call_error, error_location, operation_error};
use crate::providers::gcp::api::pagination::{
    PAGE_SIZE, Page, UnansweredZones, collect_all, collect_complete_list, unanswered_in,
};
use crate::providers::gcp::api::resource_name::last_segment;
use crate::providers::gcp::api::retry::ChangeFailure;
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::api::zone_operations::is_done;
use crate::providers::gcp::labels::OPEN_PORT_PREFIX;
use crate::providers::gcp::network;

/// How long to wait for a change of a rule; most take ten seconds.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(90);

/// Runs `create` with the ports open before and after it: another process that terminates the last other instance may
/// delete the rules meanwhile. If the create call is refused, rules that were created for it are deleted again.
///
/// # Errors
/// Those of `create`. `AlreadyExists` if a rule of the same name was changed or is not managed by cloudctl;
/// `UnknownOutcome` with the refs of the created instances if their ports may be closed; those of any call, with the
/// rules that are left.
pub(crate) async fn with_firewall_rules(
    client: &Client,
    rules: Option<&FirewallRules>,
    create: impl Future<Output = Result<CreateOutcome>>,
) -> Result<CreateOutcome> {
    let Some(rules) = rules else {
        return create.await;
    };
    let opened = match ensure_rules(client, rules).await {
        (opened, Ok(())) => opened,
        (opened, Err(error)) => return Err(close_after_failure(client, rules, &opened, error).await),
    };
    match create.await {
        Ok(CreateOutcome::Created(created)) => match ensure_rules(client, rules).await.1 {
            Ok(()) => Ok(CreateOutcome::Created(created)),
            Err(error) => Err(error
                .context("the VM is made, but its ports may not be open")
                .with_kind(ErrorKind::UnknownOutcome)
                .with_hint("check the VM with `cloudctl describe`; to start over, terminate it first")
                .with_leftovers(created.iter().map(|instance| &instance.reference))),
        },
        Ok(CreateOutcome::TokenAlreadyUsed) => Ok(CreateOutcome::TokenAlreadyUsed),
        Err(error) if error.kind() == ErrorKind::UnknownOutcome => Err(error),
        Err(error) => Err(close_after_failure(client, rules, &opened, error).await),
    }
}

/// Deletes the rules that were created for a refused create call. The error names the rules that stay.
async fn close_after_failure(client: &Client, rules: &FirewallRules, opened: &[String], error: Error) -> Error {
    if opened.is_empty() {
        return error;
    }
    let tags = BTreeSet::from([rules.tag.clone()]);
    let left: Vec<String> = match delete_unused(client, &tags, &BTreeSet::new()).await {
        Ok(removal) => removal.failed.into_iter().map(|(name, _)| name).collect(),
        Err(problem) => {
            tracing::debug!(error = %problem, "the firewall rules stay");
            opened.to_vec()
        }
    };
    error.with_leftovers(
        left.iter()
            .map(|name| Leftover::resource(ProviderKind::Gcp, "global/firewalls", name)),
    )
}

/// Checks that existing rules are managed by cloudctl and unchanged. Changes nothing.
///
/// # Errors
/// `AlreadyExists` if a rule was changed or is not managed by cloudctl; those of any call.
pub(crate) async fn check_rules(client: &Client, rules: &FirewallRules) -> Result<()> {
    for rule in rules.to_rules() {
        let name = rule.name.as_deref().unwrap_or_default();
        if let Some(existing) = find_rule(client, name).await? {
            check_rule(name, &existing, &rule)?;
        }
    }
    Ok(())
}

/// Creates the missing rules. Returns the names of the created ones, and the first error.
async fn ensure_rules(client: &Client, rules: &FirewallRules) -> (Vec<String>, Result<()>) {
    let rules = rules.to_rules();
    let ensured = join_all(rules.iter().map(|rule| ensure_rule(client, rule))).await;
    let (mut opened, mut result) = (Vec::new(), Ok(()));
    for (rule, ensured) in rules.iter().zip(ensured) {
        match ensured {
            Ok(true) => opened.extend(rule.name.clone()),
            Ok(false) => {}
            Err(error) => result = result.and(Err(error)),
        }
    }
    (opened, result)
}

async fn ensure_rule(client: &Client, rule: &Firewall) -> Result<bool> {
    let name = rule.name.as_deref().unwrap_or_default();
    if let Some(existing) = find_rule(client, name).await? {
        return check_rule(name, &existing, rule).map(|()| false);
    }
    match insert_rule(client, name, rule).await {
        Ok(()) => Ok(true),
        // Another process was faster, or an earlier attempt of this one succeeded.
        Err(error) => match find_rule(client, name).await {
            Ok(Some(existing)) => check_rule(name, &existing, rule).map(|()| true),
            _ => Err(error),
        },
    }
}

fn check_rule(name: &str, existing: &Firewall, rule: &Firewall) -> Result<()> {
    let (problem, hint) = if !is_managed(existing) {
        (
            "already exists, and cloudctl did not create it",
            format!(
                "look at it with `gcloud compute firewall-rules describe {name}`, and delete it only if nobody needs it"
            ),
        )
    } else if !is_equivalent(existing, rule) {
        (
            "was changed and no longer opens the requested ports",
            format!("delete it: `gcloud compute firewall-rules delete {name}`, then run the same command again"),
        )
    } else {
        return Ok(());
    };
    Err(
        Error::new(ErrorKind::AlreadyExists, format!("the firewall rule {name} {problem}"))
            .at(error_location(""))
            .with_hint(hint),
    )
}

async fn find_rule(client: &Client, name: &str) -> Result<Option<Firewall>> {
    let (project, firewalls) = (client.project().await?, client.firewalls().await?);
    let attempted = format!("look up the firewall rule {name}");
    let answer = client.read(&attempted, NO_ZONE, || {
        with_call_options(firewalls.get().set_project(project).set_firewall(name)).send()
    });
    match answer.await {
        Ok(rule) => Ok(Some(rule)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn insert_rule(client: &Client, name: &str, rule: &Firewall) -> Result<()> {
    let (project, firewalls) = (client.project().await?, client.firewalls().await?);
    let (attempted, request_id) = (format!("open ports by the firewall rule {name}"), fresh_request_id());
    let sent = client.change(&attempted, NO_ZONE, || {
        let call = firewalls.insert().set_project(project).set_request_id(&request_id);
        with_call_options(call.set_body(rule.clone())).send()
    });
    let error = match await_rule_change(client, sent.await, &attempted).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let network_url = rule.network.as_deref().unwrap_or_default();
    if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) {
        return Err(error);
    }
    // cloudctl wrote everything else in the rule.
    if network_url.ends_with("/default") {
        let may_be_missing = network::default_is_missing(client).await.unwrap_or(true);
        if may_be_missing {
            return Err(network::no_default_network_error(error));
        }
    }
    Err(error.with_kind(ErrorKind::InvalidSpec))
}

async fn await_rule_change(client: &Client, sent: Result<Operation, ChangeFailure>, attempted: &str) -> Result<()> {
    let attempted = format!("cannot {attempted}");
    let operation = sent.map_err(|failure| call_error(failure.error, &attempted, NO_ZONE))?;
    let operation = zone_operations::wait_until_done(client, NO_ZONE, operation, OPERATION_TIMEOUT).await?;
    match operation_error(&operation, &attempted, NO_ZONE) {
        Some(error) => Err(error),
        None if is_done(&operation) => Ok(()),
        None => Err(
            Error::new(ErrorKind::Timeout, format!("{attempted}: its operation does not end")).at(ProviderKind::Gcp),
        ),
    }
}

/// Deletes the rules of instances that are gone, unless another instance has their tag. Returns the tags that are in
/// use, and what could not be deleted.
pub(crate) async fn delete_unused_rules(client: &Client, gone: &[Instance]) -> Result<Vec<String>> {
    let tags: BTreeSet<String> = gone
        .iter()
        .flat_map(|instance| instance.ingress_rules.iter().cloned())
        .collect();
    let ids = gone.iter().map(|instance| instance.reference.id.clone()).collect();
    let removal = delete_unused(client, &tags, &ids).await?;
    let failures = removal.failed.into_iter();
    let messages = failures.map(|(name, error)| format!("the firewall rule {name} could not be removed: {error}"));
    Ok(removal.tags_in_use.into_iter().chain(messages).collect())
}

#[derive(Default)]
struct DeletedRules {
    /// The tags that an instance still has.
    tags_in_use: BTreeSet<String>,
    /// The rules that no instance needs and that could not be deleted.
    failed: Vec<(String, Error)>,
}

async fn delete_unused(client: &Client, tags: &BTreeSet<String>, gone: &BTreeSet<String>) -> Result<DeletedRules> {
    if tags.is_empty() {
        return Ok(DeletedRules::default());
    }
    let rules = list_own_rules(client, tags).await?;
    if rules.is_empty() {
        return Ok(DeletedRules::default());
    }
    let used = find_tags_in_use(client, tags, gone).await?;
    let unused = rules
        .iter()
        .filter(|rule| managed_tag(rule).is_some_and(|tag| !used.contains(tag)));
    let names: Vec<&str> = unused.filter_map(|rule| rule.name.as_deref()).collect();
    // One that cannot be deleted does not keep the others.
    let deleted = join_all(names.iter().map(|name| delete_rule(client, name))).await;
    let results = names.iter().zip(deleted);
    let failures = results.filter_map(|(name, deleted)| Some(((*name).to_owned(), deleted.err()?)));
    Ok(DeletedRules {
        tags_in_use: used,
        failed: failures.collect(),
    })
}

/// Finds the tags that an instance has which is neither in `gone` nor being deleted. If a part of the project does not
/// answer, all tags count as in use.
async fn find_tags_in_use(
    client: &Client,
    tags: &BTreeSet<String>,
    gone: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let seen = find_tag_use(client, tags).await?;
    if !seen.unanswered.is_empty() {
        tracing::debug!(unanswered = ?seen.unanswered, "whether the tags are in use cannot be told");
        return Ok(tags.clone());
    }
    let mut deletions = BTreeSet::new();
    let mut asked = BTreeSet::new();
    let mut used = BTreeSet::new();
    for TaggedInstance { id, zone, status, tags } in seen.instances {
        if gone.contains(&id) || status == Some(Status::Deprovisioning) {
            continue;
        }
        if status == Some(Status::Stopping) {
            if asked.insert(zone.clone()) {
                deletions.extend(zone_operations::list_ids_being_deleted(client, &zone).await?);
            }
            if deletions.contains(&id) {
                continue;
            }
        }
        used.extend(tags);
    }
    Ok(used)
}

/// Lists the rules that cloudctl manages for these tags.
async fn list_own_rules(client: &Client, tags: &BTreeSet<String>) -> Result<Vec<Firewall>> {
    let (project, firewalls) = (client.project().await?, client.firewalls().await?);
    let fetch = |token: Option<String>| {
        client.read("list the firewall rules", NO_ZONE, move || {
            let request = firewalls
                .list()
                .set_project(project)
                .set_max_results(500_u32)
                .set_filter(format!("name eq \"{OPEN_PORT_PREFIX}.*\""))
                .set_or_clear_page_token(token.clone());
            with_call_options(request).send()
        })
    };
    let mut rules = collect_complete_list(fetch, NO_ZONE).await?;
    rules.retain(|rule| managed_tag(rule).is_some_and(|tag| tags.contains(tag)));
    Ok(rules)
}

async fn delete_rule(client: &Client, name: &str) -> Result<()> {
    let (project, firewalls) = (client.project().await?, client.firewalls().await?);
    let (attempted, request_id) = (format!("remove the firewall rule {name}"), fresh_request_id());
    let sent = client.change(&attempted, NO_ZONE, || {
        let call = firewalls.delete().set_project(project).set_request_id(&request_id);
        with_call_options(call.set_firewall(name)).send()
    });
    match await_rule_change(client, sent.await, &attempted).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // Another process deletes the rule at the same time.
        Err(error) if error.kind() == ErrorKind::Refused && find_rule(client, name).await?.is_none() => Ok(()),
        result => result,
    }
}

struct TaggedInstance {
    id: String,
    zone: String,
    status: Option<Status>,
    /// Those of the tags that the instance has.
    tags: Vec<String>,
}

/// The instances of the project that have one of the tags.
#[derive(Default)]
struct TagUse {
    instances: Vec<TaggedInstance>,
    /// The zones that did not answer.
    unanswered: UnansweredZones,
}

/// Finds every instance of the project that has one of these tags. The API cannot filter by tags, so all instances are
/// read, with little more than their tags.
async fn find_tag_use(client: &Client, tags: &BTreeSet<String>) -> Result<TagUse> {
    let (project, instances) = (client.project().await?, client.tags().await?);
    let fetch = |token: Option<String>| {
        client.read("look for the VMs of a network tag", NO_ZONE, move || {
            let call = instances
                .aggregated_list()
                .set_project(project)
                .set_max_results(PAGE_SIZE);
            with_call_options(call.set_or_clear_page_token(token.clone())).send()
        })
    };
    collect_all(fetch, |seen: &mut TagUse, page: InstanceAggregatedList| {
        seen.unanswered.extend(unanswered_in(&page));
        let mut rows = 0;
        for api in page.items.into_values().flat_map(|part| part.instances) {
            rows += 1;
            let all_tags = api.tags.map(|tags| tags.items).unwrap_or_default();
            let wanted_tags: Vec<String> = all_tags.into_iter().filter(|tag| tags.contains(tag)).collect();
            if !wanted_tags.is_empty() {
                seen.instances.push(TaggedInstance {
                    id: api.id.unwrap_or_default().to_string(),
                    zone: api.zone.as_deref().map(last_segment).unwrap_or_default().to_owned(),
                    status: api.status,
                    tags: wanted_tags,
                });
            }
        }
        Ok(Page::new(rows, page.next_page_token))
    })
    .await
}
