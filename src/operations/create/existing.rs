//! What is there already of what is asked for, before anything is made.

use super::name_index::{NameIndex, SearchScope, exactly_one, look_up_all};
use super::offers::CreateRequest;
use super::placement::PlacementScope;
use super::reconcile::{check_limits, reconcile};
use crate::cloud::{Error, ErrorKind, Instance, InstanceName, Result};

/// How the asked names stand.
#[derive(Debug, Default)]
pub struct NameStatus {
    /// The instances that are there, were made from the same spec, and keep within the limits.
    pub present: Vec<Instance>,
    /// The names of which there is no living instance; none if another VM has one of them, so that nothing is made.
    pub missing: Vec<InstanceName>,
    /// One error for each name that is taken by another spec or by what cloudctl did not make, or is there twice.
    pub errors: Vec<Error>,
}

/// Looks how the asked names stand, and changes nothing.
///
/// # Errors
/// That of a look-up that is incomplete: what cannot be seen may be there.
pub async fn look_up_names(wish: &CreateRequest, reach: &PlacementScope<'_>) -> Result<NameStatus> {
    let (_, seen) = find_existing(wish, reach).await?;
    name_status(&seen, wish, reach)
}

/// What there is of the asked names, and where was looked for them: wherever they may be.
pub(crate) async fn find_existing(
    wish: &CreateRequest,
    reach: &PlacementScope<'_>,
) -> Result<(Vec<SearchScope>, NameIndex)> {
    let names = wish.spec.instance_names()?;
    let parts = reach.locations().await?;
    let seen = look_up_all(&parts, &names).await?;
    Ok((parts, seen))
}

pub(crate) fn name_status(seen: &NameIndex, wish: &CreateRequest, reach: &PlacementScope<'_>) -> Result<NameStatus> {
    let mut standing = NameStatus::default();
    for name in wish.spec.instance_names()? {
        let fitting = |instance| {
            let instance = reconcile(instance, wish, &name, reach)?;
            check_limits(&instance, wish, &name, reach.catalog)?;
            Ok(instance)
        };
        match exactly_one(seen, &name).and_then(|one| one.map(fitting).transpose()) {
            Ok(Some(instance)) => standing.present.push(instance),
            Ok(None) => standing.missing.push(name),
            Err(error) => standing.errors.push(error),
        }
    }
    let taken = standing.missing.iter().flat_map(|name| {
        let others = seen.living_others(name);
        others.map(|other| taken_by(other, name))
    });
    let taken: Vec<_> = taken.collect();
    if !taken.is_empty() {
        standing.missing.clear();
        standing.errors.extend(taken);
    }
    Ok(standing)
}

/// The refusal where another VM has the name: in every later command the name would mean two.
fn taken_by(other: &Instance, name: &InstanceName) -> Error {
    let reference = &other.reference;
    let message =
        format!("the name {name} is taken by {reference}, which was not made by cloudctl; nothing was created");
    Error::new(ErrorKind::AlreadyExists, message).with_hint("use another name, or another region")
}
