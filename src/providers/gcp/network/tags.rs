//! Which instances have a network tag. Only Compute Engine: an EC2 security group says itself whether it is in use.

use std::collections::BTreeSet;

use google_cloud_compute_v1::model::InstanceAggregatedList;
use google_cloud_compute_v1::model::instance::Status;

use crate::cloud::Result;
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::pagination::{Page, all_pages};
use crate::providers::gcp::api::retry::prepared;
use crate::providers::gcp::instances::list::{PAGE_SIZE, Silent, silent_in};
use crate::providers::gcp::regions::last_segment;

/// An instance that has one of the tags.
pub(crate) struct Tagged {
    pub(crate) id: String,
    pub(crate) zone: String,
    pub(crate) status: Option<Status>,
    /// Those of the tags that it has.
    pub(crate) tags: Vec<String>,
}

/// What there is of them in all of the project.
#[derive(Default)]
pub(crate) struct Sighting {
    pub(crate) instances: Vec<Tagged>,
    /// The scopes that did not answer.
    pub(crate) silent: Silent,
}

/// Every instance of the project that has one of these tags. The API's filters know no tags, so all are looked through,
/// of which little more than the tags comes along.
///
/// # Errors
/// Those of the calls.
pub(crate) async fn tagged(client: &Client, tags: &BTreeSet<String>) -> Result<Sighting> {
    let (project, instances) = (client.project().await?, client.tags().await?);
    let fetch = |token: Option<String>| {
        client.read("look for the VMs of a network tag", "", move || {
            let call = instances
                .aggregated_list()
                .set_project(project)
                .set_max_results(PAGE_SIZE);
            prepared(call.set_or_clear_page_token(token.clone())).send()
        })
    };
    all_pages(fetch, |seen: &mut Sighting, page: InstanceAggregatedList| {
        seen.silent.extend(silent_in(&page));
        let mut rows = 0;
        for api in page.items.into_values().flat_map(|part| part.instances) {
            rows += 1;
            let own = api.tags.map(|tags| tags.items).unwrap_or_default();
            let own: Vec<String> = own.into_iter().filter(|tag| tags.contains(tag)).collect();
            if !own.is_empty() {
                seen.instances.push(Tagged {
                    id: api.id.unwrap_or_default().to_string(),
                    zone: api.zone.as_deref().map(last_segment).unwrap_or_default().to_owned(),
                    status: api.status,
                    tags: own,
                });
            }
        }
        Ok(Page::of(rows, page.next_page_token))
    })
    .await
}
