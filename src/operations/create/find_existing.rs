//! Compares the request with the instances that already have its names.

use super::compare_existing::check_same_spec;
use super::instances_by_name::{NameIndex, SearchScope};
use super::offers::CreateRequest;
use super::placement_search::PlacementRules;
use super::price_limits::check_limits;
use crate::cloud::{Error, ErrorKind, Instance, InstanceName, Result};

/// What was found under the requested names, and where.
#[derive(Default)]
pub(super) struct ExistingInstances {
    pub(super) search_scopes: Vec<SearchScope>,
    pub(super) index: NameIndex,
}

/// Which of the requested names exist.
#[derive(Debug, Default)]
pub(super) struct NameStatus {
    /// The instances that exist, have the requested spec and keep the limits.
    pub(super) present: Vec<Instance>,
    /// The names without an instance. Empty if an unmanaged VM has one of them: then nothing is created.
    pub(super) missing: Vec<InstanceName>,
    /// One error for each name of another spec, of an unmanaged VM or of several VMs.
    pub(super) errors: Vec<Error>,
}

impl ExistingInstances {
    /// Compares what was found with the request.
    ///
    /// # Errors
    /// `InvalidSpec` if a member's name is too long.
    pub(super) fn check_names(&self, request: &CreateRequest, placement: &PlacementRules<'_>) -> Result<NameStatus> {
        let mut status = NameStatus::default();
        for name in request.spec.instance_names()? {
            match self.index.exactly_one(&name) {
                Ok(None) => match self.find_ended_run(request, &name) {
                    Some(ended) => status.errors.push(ended_run_error(ended)),
                    None => status.missing.push(name),
                },
                Ok(Some(instance)) => match check_existing(&instance, request, &name, placement) {
                    Ok(()) => status.present.push(instance),
                    Err(error) => status.errors.push(error),
                },
                Err(error) => status.errors.push(error),
            }
        }
        let mut name_taken_errors = Vec::new();
        for name in &status.missing {
            for instance in self.index.alive_unmanaged(name) {
                name_taken_errors.push(name_taken_error(instance, name));
            }
        }
        if !name_taken_errors.is_empty() {
            status.missing.clear();
            status.errors.extend(name_taken_errors);
        }
        Ok(status)
    }

    /// An instance that is gone and ran the command that the new one is for, if that must not run again.
    fn find_ended_run(&self, request: &CreateRequest, name: &InstanceName) -> Option<&Instance> {
        let run_id = request.spec.run_id.as_ref().filter(|_| !request.repeats_ended_run)?;
        let mut gone = self
            .index
            .managed(name)
            .iter()
            .filter(|instance| instance.state.is_gone());
        gone.find(|instance| instance.run_id.as_ref() == Some(run_id))
    }
}

fn ended_run_error(ended: &Instance) -> Error {
    let reference = &ended.reference;
    let message = format!("that run has ended and its VM is gone: {reference}");
    Error::new(ErrorKind::Refused, message)
        .naming(reference)
        .with_hint("start it anew with --again")
}

fn check_existing(
    instance: &Instance,
    request: &CreateRequest,
    name: &InstanceName,
    placement: &PlacementRules<'_>,
) -> Result<()> {
    check_same_spec(instance, request, name, placement)?;
    check_limits(instance, request, name, placement.catalog)
}

/// The error if an unmanaged VM has the name: every later command would find two VMs of that name.
fn name_taken_error(unmanaged: &Instance, name: &InstanceName) -> Error {
    let reference = &unmanaged.reference;
    let message =
        format!("the name {name} is taken by {reference}, which was not made by cloudctl; nothing was created");
    Error::new(ErrorKind::AlreadyExists, message).with_hint("use another name, or another region")
}
