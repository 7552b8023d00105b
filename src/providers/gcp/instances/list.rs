//! Lists instances in all zones or in one, builds the API's filters, and reads single instances.
//!
//! Calls take names, and another instance can have the name later, so a read by ref compares the id.
//! <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, InstanceAggregatedList, InstanceList};

use super::from_api::{to_instance, with_machine_type};
use crate::cloud::{
    Error, ErrorKind, Gap, Instance, InstanceRef, InstanceSink, InstanceState, ListFilter, ListScope, Result,
};
use crate::providers::common::batch_calls::run_concurrently;
use crate::providers::gcp::api::client::{Client, ZoneEntry, with_call_options};
use crate::providers::gcp::api::error::{error_location, with_project_hint};
use crate::providers::gcp::api::pagination::{
    PAGE_SIZE, Page, PartialList, UnansweredZones, collect_all, collect_complete_list, collect_from_first,
    unanswered_in,
};
use crate::providers::gcp::api::resource_name::{last_segment, region_of};
use crate::providers::gcp::api::zone_operations;
use crate::providers::gcp::catalog::machine_types;
use crate::providers::gcp::labels::is_resource_name;

/// How many zones of a large project are listed at once.
const CONCURRENT_ZONES: usize = 32;

struct PageResult {
    instances: Vec<Instance>,
    unanswered: UnansweredZones,
    page: Page,
}

/// Pushes every instance of a list scope that the filter accepts into `sink`. Returns the gaps.
pub(crate) async fn list_instances(client: &Client, sink: &InstanceSink<'_>) -> Result<Vec<Gap>> {
    let requested = sink.scope;
    let unanswered = match requested {
        ListScope::Zone { zone, .. } => list_zone(client, zone, sink).await?,
        ListScope::AllRegions | ListScope::Region(_) => list_all_zones(client, sink).await?,
    };
    let gaps = unanswered.iter().filter(|(scope, _)| affects_scope(requested, scope));
    Ok(gaps.map(|(scope, code)| new_gap(scope, code)).collect())
}

fn new_gap(scope: &str, code: &str) -> Gap {
    let message = "its response was incomplete; some of its instances may be missing from the list";
    let error = Error::new(ErrorKind::Network, message).with_code(code);
    Gap::new(error, error_location(scope))
}

/// Lists the API instances of a zone that match a filter expression.
pub(crate) async fn list_matching(client: &Client, zone: &str, expression: &str) -> Result<Vec<model::Instance>> {
    let expression = Some(expression.to_owned());
    let fetch = |token: Option<String>| fetch_page(client, zone, &expression, token);
    collect_complete_list(fetch, zone).await
}

/// Lists the API instances of a zone that have these ids, by id.
pub(crate) async fn list_by_ids(
    client: &Client,
    zone: &str,
    ids: &BTreeSet<&str>,
) -> Result<BTreeMap<String, model::Instance>> {
    let expression = build_filter(&ListFilter {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..ListFilter::default()
    });
    let fetch = |token: Option<String>| fetch_page(client, zone, &expression, token);
    let instances = collect_complete_list(fetch, zone).await?.into_iter();
    let by_id = instances.filter_map(|api| Some((api.id?.to_string(), api)));
    Ok(by_id.filter(|(id, _)| ids.contains(id.as_str())).collect())
}

async fn fetch_page(
    client: &Client,
    zone: &str,
    expression: &Option<String>,
    token: Option<String>,
) -> Result<InstanceList> {
    let (project, instances) = (client.project().await?, client.instances().await?);
    let send_request = || {
        let request = instances
            .list()
            .set_project(project)
            .set_zone(zone)
            .set_max_results(PAGE_SIZE)
            .set_or_clear_filter(expression.clone())
            .set_or_clear_page_token(token.clone());
        with_call_options(request).send()
    };
    client.read("list the instances", zone, send_request).await
}

async fn list_zone(client: &Client, zone: &str, sink: &InstanceSink<'_>) -> Result<UnansweredZones> {
    let project = client.project().await?;
    let (expression, deletions) = (&build_filter(sink.filter), &Deletions::default());
    let fetch = |token: Option<String>| async move {
        let page = fetch_page(client, zone, expression, token).await?;
        let mut unanswered = UnansweredZones::new();
        if let Some(code) = page.incomplete_code() {
            unanswered.insert(zone.to_owned(), code);
        }
        let next = Page::new(page.rows(), page.token());
        let mut instances = accepted_instances(page.items, project, sink)?;
        mark_terminating(client, &mut instances, deletions).await;
        Ok(PageResult {
            instances,
            unanswered,
            page: next,
        })
    };
    collect_all(fetch, |unanswered, page| Ok(push_page(unanswered, page, sink))).await
}

async fn list_all_zones(client: &Client, sink: &InstanceSink<'_>) -> Result<UnansweredZones> {
    let (project, instances) = (client.project().await?, client.listing().await?);
    let (expression, deletions) = (&build_filter(sink.filter), &Deletions::default());
    let fetch = |token: Option<String>| async move {
        let send_request = || {
            let request = instances
                .aggregated_list()
                .set_project(project)
                .set_max_results(PAGE_SIZE)
                .set_or_clear_filter(expression.clone())
                .set_or_clear_page_token(token.clone());
            with_call_options(request).send()
        };
        let api_page = client
            .read("list the instances", "", send_request)
            .await
            .map_err(with_project_hint)?;
        let mut page = read_page(api_page, project, sink)?;
        mark_terminating(client, &mut page.instances, deletions).await;
        Ok(page)
    };
    let first_page = fetch(None).await?;
    if first_page.page.is_full_and_continues() {
        match list_each_zone(client, sink).await {
            Ok(unanswered) => return Ok(unanswered),
            Err(error) => tracing::debug!(%error, "the zones could not be listed side by side"),
        }
    }
    collect_from_first(first_page, fetch, |unanswered, page| {
        Ok(push_page(unanswered, page, sink))
    })
    .await
}

/// Lists the zones of a large project side by side: the pages of a list of all zones come one after the other.
///
/// # Errors
/// Those of any zone.
async fn list_each_zone(client: &Client, sink: &InstanceSink<'_>) -> Result<UnansweredZones> {
    let is_in_scope = |zone: &&ZoneEntry| match sink.scope {
        ListScope::Region(region) => zone.region == *region,
        _ => true,
    };
    let zones = client.all_zones().await?.iter().filter(is_in_scope);
    let zones: Vec<String> = zones.map(|zone| zone.name.clone()).collect();
    stream::iter(zones)
        .map(|zone| async move { list_zone(client, &zone, sink).await })
        .buffer_unordered(CONCURRENT_ZONES)
        .try_fold(UnansweredZones::new(), |mut all, of_zone| async {
            all.extend(of_zone);
            Ok(all)
        })
        .await
}

fn push_page(unanswered: &mut UnansweredZones, page: PageResult, sink: &InstanceSink<'_>) -> Page {
    unanswered.extend(page.unanswered);
    sink.push_page(page.instances);
    page.page
}

fn read_page(page: InstanceAggregatedList, project: &str, sink: &InstanceSink<'_>) -> Result<PageResult> {
    let unanswered = unanswered_in(&page);
    let all: Vec<_> = page.items.into_values().flat_map(|zone| zone.instances).collect();
    let next = Page::new(all.len(), page.next_page_token);
    Ok(PageResult {
        instances: accepted_instances(all, project, sink)?,
        unanswered,
        page: next,
    })
}

/// Converts the instances that the filter accepts.
fn accepted_instances(all: Vec<model::Instance>, project: &str, sink: &InstanceSink<'_>) -> Result<Vec<Instance>> {
    let mut accepted = Vec::new();
    for api in all {
        let instance = to_instance(api, project, false)?;
        if sink.accepts(&instance) {
            accepted.push(instance);
        }
    }
    Ok(accepted)
}

/// Says whether a gap in this scope is a gap of the listing.
fn affects_scope(requested: &ListScope, scope: &str) -> bool {
    match requested {
        ListScope::AllRegions => true,
        ListScope::Region(region) => scope == region || region_of(scope) == region || !scope.contains('-'),
        ListScope::Zone { region, zone } => scope == zone || scope == region,
    }
}

/// The ids of the instances that are being deleted, by zone. Each zone is asked once per listing.
#[derive(Default)]
pub(crate) struct Deletions(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Deletions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, client: &Client, zone: String) {
        let ids = match zone_operations::list_ids_being_deleted(client, &zone).await {
            Ok(ids) => ids,
            Err(error) => {
                // The state "stopping" is still true without this.
                tracing::debug!(zone, %error, "the zone's operations could not be listed");
                BTreeSet::new()
            }
        };
        self.lock().insert(zone, ids);
    }
}

/// Marks the instances that are being deleted. The API shows them as `STOPPING`, like instances that are being stopped;
/// only the running operations of the zone tell the difference.
pub(crate) async fn mark_terminating(client: &Client, instances: &mut [Instance], deletions: &Deletions) {
    let stopping_word = Status::Stopping.name().unwrap_or_default();
    let mut stopping: Vec<&mut Instance> = instances
        .iter_mut()
        .filter(|instance| instance.native_state == stopping_word)
        .collect();
    let zones: BTreeSet<String> = stopping
        .iter()
        .map(|instance| instance.reference.scope.clone())
        .filter(|zone| !deletions.lock().contains_key(zone))
        .collect();
    run_concurrently(10, zones.into_iter().map(|zone| deletions.fetch(client, zone))).await;
    let known = deletions.lock();
    for instance in &mut stopping {
        let ids = known.get(&instance.reference.scope);
        if ids.is_some_and(|ids| ids.contains(&instance.reference.id)) {
            instance.state = InstanceState::Terminating;
        }
    }
}

/// The most terms of a filter, so that no URL gets too long. With more, the listing is wider and filtered here.
pub(crate) const MAX_FILTER_TERMS: usize = 30;

/// Builds the filter expression that the API can evaluate. It joins terms by one operator only, without nesting. Names
/// and ids come first, because they reduce the list the most.
pub(crate) fn build_filter(filter: &ListFilter) -> Option<String> {
    // A name begins with a letter; other text is an id.
    let is_plain = |text: &&String| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_number = |text: &&String| text.parse::<u64>().is_ok();
    let names = filter.names.iter().filter(is_plain);
    let ids = filter.ids.iter().filter(is_number);
    let name_terms = names.map(|name| format!("(name = \"{name}\")"));
    let terms: Vec<_> = name_terms.chain(ids.map(|id| format!("(id = {id})"))).collect();
    if (1..=MAX_FILTER_TERMS).contains(&terms.len()) {
        return Some(terms.join(" OR "));
    }
    // So many names usually belong to one group, which one pattern matches.
    if !terms.is_empty()
        && filter.ids.is_empty()
        && let Some(group) = find_group(&filter.names)
    {
        return Some(members_filter(group));
    }
    match filter.managed {
        true => Some("labels.cloudctl-managed = \"true\"".to_owned()),
        false => None,
    }
}

/// Returns the group that all these names belong to, if there is one.
fn find_group(names: &[String]) -> Option<&str> {
    let group = split_member_name(names.first()?)?;
    let has_other_group = |name: &String| split_member_name(name) != Some(group);
    if names.iter().any(has_other_group) {
        return None;
    }
    Some(group)
}

/// Returns the group in a member's name: `web` of `web-12`.
fn split_member_name(name: &str) -> Option<&str> {
    let (group, index) = name.rsplit_once('-')?;
    let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    if is_index && is_resource_name(group) {
        Some(group)
    } else {
        None
    }
}

/// Builds the filter for the names of a group's members, in the older form, in which text is a pattern for the whole
/// name.
pub(crate) fn members_filter(group: &str) -> String {
    format!("name eq \"{group}-[0-9]+\"")
}

/// Reads an instance with the data of its machine type.
///
/// # Errors
/// `NotFound` if no instance has that id, even if one has that name.
pub(crate) async fn get(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let api = get_by_ref(client, target).await?;
    let instance = to_instance_with_state(client, api).await?;
    if let Some(name) = &instance.machine_type
        && let Ok(machine_type) = machine_types::get_machine_type(client, &instance.reference.scope, name).await
    {
        return Ok(with_machine_type(instance, &machine_type));
    }
    Ok(instance)
}

/// Finds the instance with this name in a zone.
pub(crate) async fn find_by_name(client: &Client, zone: &str, name: &str) -> Result<Option<model::Instance>> {
    let (project, instances) = (client.project().await?, client.instances().await?);
    let attempted = format!("look up {name}");
    let answer = client.read(&attempted, zone, || {
        with_call_options(instances.get().set_project(project).set_zone(zone).set_instance(name)).send()
    });
    match answer.await {
        Ok(api) => Ok(Some(api)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the instance with the id of a ref.
///
/// # Errors
/// `NotFound` if it is gone, also if another instance has its name now.
pub(crate) async fn get_by_ref(client: &Client, target: &InstanceRef) -> Result<model::Instance> {
    let zone = &target.scope;
    let answer = match &target.native_name {
        Some(name) => find_by_name(client, zone, name).await,
        None if target.id.parse::<u64>().is_ok() => {
            let matching = list_matching(client, zone, &format!("id = {}", target.id)).await;
            matching.map(|instances| instances.into_iter().next())
        }
        None => Ok(None),
    };
    match answer {
        Ok(Some(api)) if api.id.is_some_and(|id| id.to_string() == target.id) => Ok(api),
        // An unknown zone gives one of these errors; it has no instances.
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) => Err(error),
        _ => Err(Error::not_found(target).at(error_location(zone))),
    }
}

/// Converts an API instance. Reads the operations of the zone if the instance is stopping, because it may be being
/// deleted.
pub(crate) async fn to_instance_with_state(client: &Client, api: model::Instance) -> Result<Instance> {
    let being_deleted = api.status == Some(Status::Stopping)
        && is_being_deleted(client, api.zone.as_deref().map_or("", last_segment), &api).await;
    to_instance(api, client.project().await?, being_deleted)
}

pub(crate) async fn is_being_deleted(client: &Client, zone: &str, api: &model::Instance) -> bool {
    match &api.status {
        Some(Status::Deprovisioning) => true,
        Some(Status::Stopping) => {
            let id = api.id.unwrap_or_default().to_string();
            zone_operations::list_ids_being_deleted(client, zone)
                .await
                .is_ok_and(|ids| ids.contains(&id))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gap_outside_the_scope_does_not_count() {
        let region = ListScope::Region("us-central1".into());
        assert!(affects_scope(&region, "us-central1-a") && affects_scope(&region, "a part of the project"));
        assert!(!affects_scope(&region, "us-east1-b"));
        assert!(affects_scope(&ListScope::AllRegions, "us-east1-b"));
    }

    #[test]
    fn filter_is_pushed_down_to_the_api() {
        let filter = |names: &[&str], ids: &[&str], managed| ListFilter {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            managed,
        };
        let web = "(name = \"web\")";
        assert_eq!(build_filter(&filter(&[], &[], false)), None);
        assert_eq!(build_filter(&filter(&["web"], &[], true)).as_deref(), Some(web));
        assert_eq!(
            build_filter(&filter(&["web"], &["7", "i-7"], false)),
            Some(format!("{web} OR (id = 7)"))
        );
        assert_eq!(
            build_filter(&filter(&["7"], &["7"], false)).as_deref(),
            Some("(id = 7)")
        );
        assert_eq!(
            build_filter(&filter(&[], &[], true)).as_deref(),
            Some("labels.cloudctl-managed = \"true\"")
        );
        assert_eq!(build_filter(&filter(&["a\" OR \"b"], &[], false)), None);
        assert_eq!(build_filter(&filter(&["a"; 31], &[], false)), None);
        let managed = "labels.cloudctl-managed = \"true\"";
        assert_eq!(build_filter(&filter(&["a"; 31], &[], true)).as_deref(), Some(managed));
    }

    #[test]
    fn group_members_are_one_filter_term() {
        let of = |names: Vec<String>| {
            build_filter(&ListFilter {
                names,
                managed: true,
                ..ListFilter::default()
            })
        };
        let mut names: Vec<String> = (1..=1_000).map(|index| format!("web-1-{index}")).collect();
        assert_eq!(of(names.clone()).as_deref(), Some("name eq \"web-1-[0-9]+\""));
        names.push("web-12".to_owned());
        assert_eq!(of(names).as_deref(), Some("labels.cloudctl-managed = \"true\""));
    }
}
