//! Listing: everywhere at once, or one zone.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{
    self, InstanceAggregatedList, InstanceList, instance_aggregated_list, instances_scoped_list,
};

use super::client::{Client, prepared};
use super::error::location;
use super::instance::instance;
use super::operation;
use super::pages::{Page, all_pages};
use super::places::{last_segment, region_of};
use crate::cloud::{Error, ErrorKind, Instance, InstanceState, ListFilter, Listing, Location, Result};

/// The most that the API gives in one page.
const PAGE_SIZE: u32 = 500;
/// Beyond these, everything is fetched and looked through here, so that no URL gets too long.
const MOST_TERMS: usize = 30;

#[derive(Default)]
struct Found {
    instances: Vec<Instance>,
    /// Scopes that did not answer, such as `us-central1-a`.
    silent: BTreeSet<String>,
}

/// Every instance of a location that the filter admits.
pub(super) async fn list(client: &Client, wanted: &Location, filter: &ListFilter) -> Result<Listing> {
    let mut found = match wanted {
        Location::Zone { zone, .. } => in_zone(client, zone, filter).await?,
        Location::Everywhere | Location::Region(_) => everywhere(client, wanted, filter).await?,
    };
    mark_deleted(client, &mut found.instances).await;
    found
        .instances
        .sort_by(|one, other| (&one.zone, &one.name).cmp(&(&other.zone, &other.name)));
    let gaps = found
        .silent
        .iter()
        .filter(|scope| concerns(wanted, scope))
        .map(|scope| {
            let message = format!("{scope} did not answer; its instances are missing from the listing");
            Error::new(ErrorKind::Network, message)
                .with_code("UNREACHABLE")
                .at(location(scope))
        });
    Ok(Listing {
        gaps: gaps.collect(),
        instances: found.instances,
    })
}

/// The instances of one zone that an expression admits, as the API has them.
pub(super) async fn raw_in_zone(client: &Client, zone: &str, expression: &str) -> Result<Vec<model::Instance>> {
    let page = |all: &mut Vec<model::Instance>, page: InstanceList| {
        all.extend(page.items);
        Ok(Page::followed_by(page.next_page_token))
    };
    zone_pages(client, zone, Some(expression.to_owned()), page).await
}

async fn in_zone(client: &Client, zone: &str, filter: &ListFilter) -> Result<Found> {
    let project = client.project().await?;
    zone_pages(
        client,
        zone,
        expression(filter),
        |found: &mut Found, page: InstanceList| {
            take_in(found, page.items, project, &Location::Everywhere, filter)?;
            Ok(Page::followed_by(page.next_page_token))
        },
    )
    .await
}

async fn zone_pages<A: Default>(
    client: &Client,
    zone: &str,
    expression: Option<String>,
    take_in: impl Fn(&mut A, InstanceList) -> Result<Page>,
) -> Result<A> {
    let (project, instances) = (client.project().await?, client.instances().await?);
    let expression = &expression;
    let fetch = |token: Option<String>| {
        client.read("list the instances", zone, move || {
            let call = instances
                .list()
                .set_project(project)
                .set_zone(zone)
                .set_max_results(PAGE_SIZE);
            let call = call
                .set_or_clear_filter(expression.clone())
                .set_or_clear_page_token(token.clone());
            prepared(call).send()
        })
    };
    all_pages(fetch, take_in).await
}

async fn everywhere(client: &Client, wanted: &Location, filter: &ListFilter) -> Result<Found> {
    let (project, instances) = (client.project().await?, client.listing().await?);
    let expression = &expression(filter);
    let fetch = |token: Option<String>| {
        client.read("list the instances", "", move || {
            let call = instances
                .aggregated_list()
                .set_project(project)
                .set_max_results(PAGE_SIZE);
            let call = call
                .set_or_clear_filter(expression.clone())
                .set_or_clear_page_token(token.clone());
            prepared(call).send()
        })
    };
    all_pages(fetch, |found: &mut Found, page: InstanceAggregatedList| {
        found
            .silent
            .extend(page.unreachables.iter().map(|scope| last_segment(scope).to_owned()));
        for (scope, part) in page.items {
            if part
                .warning
                .is_some_and(|warning| warning.code == Some(instances_scoped_list::warning::Code::Unreachable))
            {
                found.silent.insert(last_segment(&scope).to_owned());
            }
            take_in(found, part.instances, project, wanted, filter)?;
        }
        let unreachable = instance_aggregated_list::warning::Code::Unreachable;
        if page.warning.is_some_and(|warning| warning.code == Some(unreachable)) && found.silent.is_empty() {
            // Something is missing, and the answer does not say what.
            found.silent.insert("a part of the project".to_owned());
        }
        Ok(Page::followed_by(page.next_page_token))
    })
    .await
}

fn take_in(
    found: &mut Found,
    page: Vec<model::Instance>,
    project: &str,
    wanted: &Location,
    filter: &ListFilter,
) -> Result<()> {
    for api in page {
        let read = instance(api, project, false)?;
        if wanted.contains(&read.region, read.zone.as_deref()) && filter.admits(&read) {
            found.instances.push(read);
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

/// Tells those that are being deleted from those that are being stopped: the API shows both as `STOPPING`, and only
/// the zone's running operations know.
pub(super) async fn mark_deleted(client: &Client, instances: &mut [Instance]) {
    let mut stopping: BTreeMap<String, Vec<&mut Instance>> = BTreeMap::new();
    let stopping_word = Status::Stopping.name().unwrap_or_default().to_owned();
    for instance in instances
        .iter_mut()
        .filter(|instance| instance.native_state == stopping_word)
    {
        stopping
            .entry(instance.reference.place.clone())
            .or_default()
            .push(instance);
    }
    let asked = stopping.into_iter().map(|(zone, instances)| async move {
        match operation::deletions_under_way(client, &zone).await {
            Ok(targets) => {
                for instance in instances {
                    if targets.contains(&instance.reference.id) {
                        instance.state = InstanceState::Terminating;
                    }
                }
            }
            // "Stopping" is true of them all; the listing is no worse for it.
            Err(error) => tracing::debug!(zone, %error, "the zone's operations could not be listed"),
        }
    });
    let asked: Vec<_> = asked.collect();
    stream::iter(asked).buffer_unordered(10).collect::<Vec<()>>().await;
}

/// What of the filter the API can do. Its language joins terms by one operator only, without nesting: names and ids
/// come first, because they cut down the most. <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>
fn expression(filter: &ListFilter) -> Option<String> {
    let plain = |text: &&String| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let numeric = |text: &&String| text.parse::<u64>().is_ok();
    let names = filter
        .names
        .iter()
        .filter(plain)
        .map(|name| format!("(name = \"{name}\")"));
    let ids = filter.ids.iter().filter(numeric).map(|id| format!("(id = {id})"));
    let terms: Vec<_> = names.chain(ids).collect();
    match terms.len() {
        0 if filter.managed => Some("labels.cloudctl-managed = \"true\"".to_owned()),
        1..=MOST_TERMS => Some(terms.join(" OR ")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_pushed_down_as_far_as_the_api_goes() {
        let filter = |names: &[&str], ids: &[&str], managed| ListFilter {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            managed,
        };
        let web = "(name = \"web\")";
        assert_eq!(expression(&filter(&[], &[], false)), None);
        assert_eq!(expression(&filter(&["web"], &[], true)).as_deref(), Some(web));
        assert_eq!(
            expression(&filter(&["web"], &["7", "i-7"], false)),
            Some(format!("{web} OR (id = 7)"))
        );
        assert_eq!(
            expression(&filter(&[], &[], true)).as_deref(),
            Some("labels.cloudctl-managed = \"true\"")
        );
        assert_eq!(expression(&filter(&["a\" OR \"b"], &[], false)), None);
        assert_eq!(expression(&filter(&["a"; 31], &[], false)), None);
    }

    #[test]
    fn only_gaps_inside_the_location_count() {
        let region = Location::Region("us-central1".into());
        assert!(concerns(&region, "us-central1-a") && concerns(&region, "a part of the project"));
        assert!(!concerns(&region, "us-east1-b"));
        assert!(concerns(&Location::Everywhere, "us-east1-b"));
    }
}
