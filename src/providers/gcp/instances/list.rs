//! Listing: everywhere at once, or one zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt};
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{self, InstanceAggregatedList, InstanceList};

use super::convert::instance;
use super::filter::expression;
use crate::cloud::{Error, ErrorKind, Instance, InstanceState, ListFilter, Location, Pages, Result};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::{location, of_project};
use crate::providers::gcp::api::operations;
use crate::providers::gcp::api::pagination::{Page, all_pages};
use crate::providers::gcp::api::retry::prepared;
use crate::providers::gcp::api::warning::{Listed, lack_of};
use crate::providers::gcp::regions::{last_segment, region_of};

/// The most that the API gives in one page.
pub(crate) const PAGE_SIZE: u32 = 500;

/// The scopes, such as `us-central1-a`, that did not answer or not in full, each with the code of its warning.
pub(crate) type Silent = BTreeMap<String, String>;

/// One page, read.
struct Part {
    instances: Vec<Instance>,
    silent: Silent,
    page: Page,
}

/// Puts every instance of a location that the filter admits into `pages`, and gives what did not answer.
pub(crate) async fn list(client: &Client, pages: &Pages<'_>) -> Result<Vec<Error>> {
    let wanted = pages.location;
    let silent = match wanted {
        Location::Zone { zone, .. } => in_zone(client, zone, pages).await?,
        Location::Everywhere | Location::Region(_) => everywhere(client, pages).await?,
    };
    let gaps = silent.iter().filter(|(scope, _)| concerns(wanted, scope));
    Ok(gaps.map(|(scope, code)| gap(scope, code)).collect())
}

fn gap(scope: &str, code: &str) -> Error {
    let message = format!("{scope} did not answer in full; instances of it may be missing from the listing");
    Error::new(ErrorKind::Network, message)
        .with_code(code)
        .at(location(scope))
}

/// The instances of one zone that an expression admits, as the API has them.
pub(crate) async fn raw_in_zone(client: &Client, zone: &str, expression: &str) -> Result<Vec<model::Instance>> {
    let expression = Some(expression.to_owned());
    let fetch = |token: Option<String>| zone_page(client, zone, &expression, token);
    all_pages(fetch, |all: &mut Vec<model::Instance>, page: InstanceList| {
        let next = Page::whole(&page, zone)?;
        all.extend(page.items);
        Ok(next)
    })
    .await
}

/// Those instances of a zone that have these ids, by id, as the API has them.
pub(crate) async fn raw_by_id(
    client: &Client,
    zone: &str,
    ids: &BTreeSet<&str>,
) -> Result<BTreeMap<String, model::Instance>> {
    let expression = expression(&ListFilter {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..ListFilter::default()
    });
    let fetch = |token: Option<String>| zone_page(client, zone, &expression, token);
    all_pages(
        fetch,
        |all: &mut BTreeMap<String, model::Instance>, page: InstanceList| {
            let next = Page::whole(&page, zone)?;
            let found = page
                .items
                .into_iter()
                .filter_map(|api| Some((api.id?.to_string(), api)));
            all.extend(found.filter(|(id, _)| ids.contains(id.as_str())));
            Ok(next)
        },
    )
    .await
}

async fn zone_page(
    client: &Client,
    zone: &str,
    expression: &Option<String>,
    token: Option<String>,
) -> Result<InstanceList> {
    let (project, instances) = (client.project().await?, client.instances().await?);
    let call = || {
        let call = instances
            .list()
            .set_project(project)
            .set_zone(zone)
            .set_max_results(PAGE_SIZE);
        let call = call
            .set_or_clear_filter(expression.clone())
            .set_or_clear_page_token(token.clone());
        prepared(call).send()
    };
    client.read("list the instances", zone, call).await
}

async fn in_zone(client: &Client, zone: &str, pages: &Pages<'_>) -> Result<Silent> {
    let project = client.project().await?;
    let (expression, deletions) = (&expression(pages.filter), &Deletions::default());
    let fetch = |token: Option<String>| async move {
        let page = zone_page(client, zone, expression, token).await?;
        let silent = page.lack().map(|code| (zone.to_owned(), code)).into_iter().collect();
        let next = Page::of(page.rows(), page.token());
        let mut instances = Vec::new();
        read_into(&mut instances, page.items, project, pages)?;
        mark_deleted(client, &mut instances, deletions).await;
        Ok(Part {
            instances,
            silent,
            page: next,
        })
    };
    all_pages(fetch, |silent, part| Ok(hand_on(silent, part, pages))).await
}

async fn everywhere(client: &Client, pages: &Pages<'_>) -> Result<Silent> {
    let (project, instances) = (client.project().await?, client.listing().await?);
    let (expression, deletions) = (&expression(pages.filter), &Deletions::default());
    let fetch = |token: Option<String>| async move {
        let call = || {
            let call = instances
                .aggregated_list()
                .set_project(project)
                .set_max_results(PAGE_SIZE);
            let call = call
                .set_or_clear_filter(expression.clone())
                .set_or_clear_page_token(token.clone());
            prepared(call).send()
        };
        let page = client.read("list the instances", "", call).await.map_err(of_project)?;
        let mut part = part_of(page, project, pages)?;
        mark_deleted(client, &mut part.instances, deletions).await;
        Ok(part)
    };
    all_pages(fetch, |silent, part| Ok(hand_on(silent, part, pages))).await
}

fn hand_on(silent: &mut Silent, part: Part, pages: &Pages<'_>) -> Page {
    silent.extend(part.silent);
    pages.take(part.instances);
    part.page
}

fn part_of(page: InstanceAggregatedList, project: &str, pages: &Pages<'_>) -> Result<Part> {
    let silent = silent_in(&page);
    let (mut instances, mut rows) = (Vec::new(), 0);
    for part in page.items.into_values() {
        rows += part.instances.len();
        read_into(&mut instances, part.instances, project, pages)?;
    }
    Ok(Part {
        instances,
        silent,
        page: Page::of(rows, page.next_page_token),
    })
}

/// The scopes that are missing from a page, or of which something is.
pub(crate) fn silent_in(page: &InstanceAggregatedList) -> Silent {
    let unreachable = page.unreachables.iter().map(|scope| (scope, "UNREACHABLE".to_owned()));
    let warned = page
        .items
        .iter()
        .filter_map(|(scope, part)| Some((scope, lack_of!(part)?)));
    let scopes = unreachable.chain(warned);
    let mut silent: Silent = scopes
        .map(|(scope, code)| (last_segment(scope).to_owned(), code))
        .collect();
    if let (true, Some(code)) = (silent.is_empty(), lack_of!(page)) {
        // Something is missing, and the answer does not say what.
        silent.insert("a part of the project".to_owned(), code);
    }
    silent
}

/// Reads what the listing is about.
fn read_into(read: &mut Vec<Instance>, rows: Vec<model::Instance>, project: &str, pages: &Pages<'_>) -> Result<()> {
    for api in rows {
        let instance = instance(api, project, false)?;
        if pages.wants(&instance) {
            read.push(instance);
        }
    }
    Ok(())
}

/// Whether what is missing there is missing from the listing.
fn concerns(wanted: &Location, scope: &str) -> bool {
    match wanted {
        Location::Everywhere => true,
        Location::Region(region) => scope == region || region_of(scope) == region || !scope.contains('-'),
        Location::Zone { region, zone } => scope == zone || scope == region,
    }
}

/// The ids of the instances that are being deleted, by zone, as far as was asked: once in a listing.
#[derive(Default)]
pub(crate) struct Deletions(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Deletions {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, client: &Client, zone: String) {
        let asked = operations::deletions_under_way(client, &zone).await;
        let targets = asked.unwrap_or_else(|error| {
            // "Stopping" is true of them all; the listing is no worse for it.
            tracing::debug!(zone, %error, "the zone's operations could not be listed");
            BTreeSet::new()
        });
        self.known().insert(zone, targets);
    }
}

/// Tells those that are being deleted from those that are being stopped: the API shows both as `STOPPING`, and only
/// the zone's running operations know.
pub(crate) async fn mark_deleted(client: &Client, instances: &mut [Instance], deletions: &Deletions) {
    let stopping_word = Status::Stopping.name().unwrap_or_default();
    let mut stopping: Vec<&mut Instance> = instances
        .iter_mut()
        .filter(|instance| instance.native_state == stopping_word)
        .collect();
    let zones: BTreeSet<String> = stopping
        .iter()
        .map(|instance| instance.reference.place.clone())
        .filter(|zone| !deletions.known().contains_key(zone))
        .collect();
    let asked: Vec<_> = zones.into_iter().map(|zone| deletions.ask(client, zone)).collect();
    stream::iter(asked).buffer_unordered(10).collect::<Vec<()>>().await;
    let known = deletions.known();
    for instance in &mut stopping {
        let targets = known.get(&instance.reference.place);
        if targets.is_some_and(|targets| targets.contains(&instance.reference.id)) {
            instance.state = InstanceState::Terminating;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gaps_inside_the_location_count() {
        let region = Location::Region("us-central1".into());
        assert!(concerns(&region, "us-central1-a") && concerns(&region, "a part of the project"));
        assert!(!concerns(&region, "us-east1-b"));
        assert!(concerns(&Location::Everywhere, "us-east1-b"));
    }
}
