//! Looking one instance up. Only Compute Engine: its calls take names, and a name can come to mean another instance.

use google_cloud_compute_v1::model;
use google_cloud_compute_v1::model::instance::Status;

use super::convert::{instance, with_machine_type};
use super::list;
use crate::cloud::{Error, ErrorKind, Instance, InstanceRef, Result};
use crate::providers::gcp::api::client::Client;
use crate::providers::gcp::api::error::location;
use crate::providers::gcp::api::operations;
use crate::providers::gcp::api::retry::prepared;
use crate::providers::gcp::catalog::machine_types;

/// One instance with all that is known of it.
///
/// # Errors
/// `NotFound` if there is none of that id, though there may be another of that name.
pub(crate) async fn get(client: &Client, target: &InstanceRef) -> Result<Instance> {
    let api = by_reference(client, target).await?;
    let read = described(client, api).await?;
    let zone = &read.reference.place;
    let machine_type = match &read.machine_type {
        Some(name) => machine_types::described(client, zone, name).await.ok(),
        None => None,
    };
    Ok(match machine_type {
        Some(machine_type) => with_machine_type(read, &machine_type),
        None => read,
    })
}

/// What holds a name in a zone.
pub(crate) async fn by_name(client: &Client, zone: &str, name: &str) -> Result<Option<model::Instance>> {
    let (project, instances) = (client.project().await?, client.instances().await?);
    let attempted = format!("look up {name}");
    let answer = client.read(&attempted, zone, || {
        prepared(instances.get().set_project(project).set_zone(zone).set_instance(name)).send()
    });
    match answer.await {
        Ok(api) => Ok(Some(api)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The very instance that a reference means.
///
/// # Errors
/// `NotFound` if it is gone, also if another one has its name by now.
pub(crate) async fn by_reference(client: &Client, target: &InstanceRef) -> Result<model::Instance> {
    let zone = &target.place;
    let found = match &target.native_name {
        Some(name) => by_name(client, zone, name).await,
        None if target.id.parse::<u64>().is_ok() => {
            let found = list::raw_in_zone(client, zone, &format!("id = {}", target.id)).await;
            found.map(|found| found.into_iter().next())
        }
        None => Ok(None),
    };
    let found = match found {
        // An unknown zone is one or the other; nothing is in it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidSpec) => None,
        found => found?,
    };
    found
        .filter(|api| api.id.is_some_and(|id| id.to_string() == target.id))
        .ok_or_else(|| Error::not_found(target).at(location(zone)))
}

/// The API's instance in the contract's terms. Asks for the zone's operations if it is stopping, for it may be on its
/// way out.
pub(crate) async fn described(client: &Client, api: model::Instance) -> Result<Instance> {
    let stopping = api.status == Some(Status::Stopping);
    let read = instance(api, client.project().await?, false)?;
    if !stopping {
        return Ok(read);
    }
    let mut one = [read];
    list::mark_deleted(client, &mut one, &list::Deletions::default()).await;
    let [read] = one;
    Ok(read)
}

/// Whether an instance is being deleted.
pub(crate) async fn is_going(client: &Client, zone: &str, api: &model::Instance) -> bool {
    match &api.status {
        Some(Status::Deprovisioning) => true,
        Some(Status::Stopping) => {
            let id = api.id.unwrap_or_default().to_string();
            operations::deletions_under_way(client, zone)
                .await
                .is_ok_and(|targets| targets.contains(&id))
        }
        _ => false,
    }
}
