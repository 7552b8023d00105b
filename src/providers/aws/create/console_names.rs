//! The names that the console shows for the members of a group. One call makes them all with the same tags, so each
//! gets its own `Name` afterwards. Nothing hangs on it, and nothing fails for it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Tag;
use futures_util::stream::{self, StreamExt};
use tokio::time::timeout;

use crate::cloud::{Instance, InstanceSpec, LABEL_MANAGED, LABEL_MEMBERS, LABEL_NAME};
use crate::providers::aws::api::filters::{equal, tag_filter};
use crate::providers::aws::instances::convert::TAG_NAME;
use crate::providers::aws::instances::list;

const CONCURRENT_CALLS: usize = 10;
/// Tagging is refilled at some calls in a second; what is not done in this time a later create does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives these members their own names, and those of the same group that an interrupted run left without.
pub(crate) async fn set(client: &Client, spec: &InstanceSpec, members: &[Instance]) {
    // The user's own name for all of them stands.
    if spec.labels.contains_key(TAG_NAME) {
        return;
    }
    if timeout(PATIENCE, set_all(client, spec, members)).await.is_err() {
        tracing::debug!(group = %spec.name, "not every member has its name in the console");
    }
}

async fn set_all(client: &Client, spec: &InstanceSpec, members: &[Instance]) {
    let region = &spec.place.region;
    let nameless = vec![
        equal(&tag_filter(LABEL_NAME), [spec.name.as_str()]),
        equal(&tag_filter(LABEL_MANAGED), ["true"]),
        equal(&tag_filter(TAG_NAME), [spec.name.as_str()]),
        equal("tag-key", [LABEL_MEMBERS]),
    ];
    let left = list::query(client, region, nameless).await.unwrap_or_default();
    let is_new = |instance: &&Instance| members.iter().any(|member| member.reference == instance.reference);
    // Those just made are named whether or not they show already, but for old ones that have a name by now.
    let names: HashMap<&str, &str> = members
        .iter()
        .filter(|member| !member.labels.contains_key(TAG_NAME))
        .chain(left.iter().filter(|instance| instance.managed && !is_new(instance)))
        .filter(|instance| !instance.state.is_gone())
        .filter_map(|instance| Some((instance.reference.id.as_str(), instance.name.as_deref()?)))
        .collect();
    stream::iter(names)
        .for_each_concurrent(CONCURRENT_CALLS, |(id, name)| async move {
            tracing::debug!(operation = "CreateTags", place = region, "call");
            let tag = Tag::builder().key(TAG_NAME).value(name).build();
            if let Err(error) = client.create_tags().resources(id).tags(tag).send().await {
                tracing::debug!(id, error = %error, "it has not its name in the console");
            }
        })
        .await;
}
