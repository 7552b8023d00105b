//! Creates the instance of a name once, however often and from wherever the same command is run.

pub(super) mod closest_machine_type;
mod compare_existing;
pub(super) mod fallback;
mod find_existing;
mod instances_by_name;
mod launch;
pub(super) mod offers;
pub(super) mod placement_search;
pub(super) mod preview;
mod price_limits;
mod terminate_duplicates;

use std::sync::Arc;

use self::compare_existing::check_same_spec;
use self::find_existing::{ExistingInstances, NameStatus, find_existing};
use self::launch::{launch, split_into_calls};
use self::offers::CreateRequest;
use self::placement_search::{PlacementRefusal, PlacementRules, PlacementSearch, PlacementTarget, SelectedOffer};
use self::terminate_duplicates::remove_duplicates;
use super::apply_action::{Change, send};
use crate::cloud::{Error, Instance, InstanceAction, InstanceName, InstanceSpec, Provider, Result, TokenScope};
use crate::shutdown::Shutdown;

/// An instance that has the requested name and spec.
#[derive(Debug)]
pub struct CreatedInstance {
    /// The instance.
    pub instance: Instance,
    /// Whether it existed before this run.
    pub already_existed: bool,
}

/// The result of a create: of one VM, or of the members of a group.
#[derive(Debug, Default)]
pub struct CreateReport {
    /// The instances that exist now, in no order.
    pub instances: Vec<CreatedInstance>,
    /// The locations that could not take an instance, before one could.
    pub refusals: Vec<PlacementRefusal>,
    /// The offer that was taken, if a machine type was chosen.
    pub selected: Option<SelectedOffer>,
    /// Why the other instances do not exist.
    pub errors: Vec<Error>,
}

/// Finds the instance of each name of the spec, and creates those that are missing. Tries another location, as far as the
/// scope allows, only after a call that had no effect and would fail there again. [`CreateReport::errors`] has:
///
/// - `AlreadyExists` if a name has another spec or an unmanaged VM has it; the message says what differs;
/// - `Ambiguous` if several instances have a name;
/// - the errors of [`Instances::create`](crate::cloud::Instances::create);
/// - the errors of listing, also of an incomplete listing: an instance may be in the part that is missing;
/// - `Interrupted` if a signal came before anything was created.
pub async fn create_by_name(
    request: &CreateRequest,
    placement: &PlacementRules<'_>,
    shutdown: &Shutdown,
) -> CreateReport {
    let mut run = CreateRun {
        request,
        placement,
        shutdown,
        existing: ExistingInstances::default(),
        missing: Vec::new(),
        report: CreateReport::default(),
    };
    let mut search = PlacementSearch::new(request, placement, shutdown);
    if let Err(error) = run.find_and_create(&mut search).await {
        run.report.errors.push(error);
    }
    run.report.refusals = search.into_refusals();
    run.report
}

/// One run of [`create_by_name`].
struct CreateRun<'a> {
    request: &'a CreateRequest,
    placement: &'a PlacementRules<'a>,
    shutdown: &'a Shutdown,
    /// What the look-up of the names found.
    existing: ExistingInstances,
    /// The names for which nothing was created yet.
    missing: Vec<InstanceName>,
    report: CreateReport,
}

impl CreateRun<'_> {
    /// The whole run: finds the names, chooses one target after another, and creates what is missing there.
    async fn find_and_create(&mut self, search: &mut PlacementSearch<'_>) -> Result<()> {
        self.look_up_names().await?;
        while !self.missing.is_empty() {
            let target = search.next_target(&self.missing).await?;
            match self.create_at(&target).await {
                Ok(()) => self.report.selected = search.selected_offer(target),
                Err(error) => search.record_failure(&target, error)?,
            }
        }
        Ok(())
    }

    /// Looks up the names, reports the instances that exist, and keeps the names that are missing.
    async fn look_up_names(&mut self) -> Result<()> {
        self.existing = self
            .shutdown
            .run_until_signal(find_existing(self.request, self.placement))
            .await?;
        let NameStatus {
            present,
            missing,
            errors,
        } = self.existing.check_names(self.request, self.placement)?;
        self.missing = missing;
        self.report.errors.extend(errors);
        for instance in present {
            let result = self.protect_if_requested(instance).await;
            self.add_to_report(result, true);
        }
        Ok(())
    }

    /// Launches the missing instances at one target, keeps the oldest of each name, and confirms their specs.
    async fn create_at(&mut self, target: &PlacementTarget) -> Result<()> {
        let provider = target.offer.provider.as_ref();
        for spec in split_into_calls(&target.spec, &self.missing, provider.info().max_instances_per_call)? {
            let names = spec.instance_names()?;
            let ExistingInstances { search_scopes, index } = &self.existing;
            let generation = index.next_generation(&names);
            // The same generation has the same token: the call can be repeated, and creates nothing more.
            let launched = launch(provider, &spec, generation, search_scopes, self.shutdown).await;
            // What was launched is never requested again, whatever becomes of it.
            let created: Vec<_> = launched.instances.iter().map(|one| name_of(one, &spec)).collect();
            self.missing.retain(|name| !created.contains(name));
            let kept = self.keep_oldest(launched.instances, provider, &spec).await;
            for instance in kept {
                let confirmed = instance.and_then(|instance| self.confirm_spec(instance, &spec));
                match confirmed {
                    Err(error) if spec.members.is_none() => return Err(error),
                    // An error of one member does not stop the others.
                    confirmed => self.add_to_report(confirmed, false),
                }
            }
            if let Some(error) = launched.error {
                return Err(error);
            }
            self.missing.retain(|name| !names.contains(name));
        }
        Ok(())
    }

    fn add_to_report(&mut self, result: Result<Instance>, already_existed: bool) {
        match result {
            Ok(instance) => self.report.instances.push(CreatedInstance {
                instance,
                already_existed,
            }),
            Err(error) => self.report.errors.push(error),
        }
    }

    /// Protects an instance that exists, if it should be protected. Compute Engine protects the members of a group after
    /// the call that creates them, and that call may have been cut off.
    async fn protect_if_requested(&self, mut instance: Instance) -> Result<Instance> {
        if !self.request.spec.protected || instance.protected != Some(false) {
            return Ok(instance);
        }
        let Some(provider) = self.placement.provider(instance.provider) else {
            return Ok(instance);
        };
        let connect = |_| Arc::clone(provider);
        let target = std::slice::from_ref(&instance);
        for outcome in send(&connect, target, Change::Action(InstanceAction::Protect), self.shutdown).await {
            if let Err(error) = outcome.result {
                let reference = &instance.reference;
                return Err(error.with_subject(reference).with_leftover(reference));
            }
        }
        instance.protected = Some(true);
        Ok(instance)
    }

    /// Gives the instance that stays for each one that was created. Another run may have created the same name at the
    /// same time, unless both share a token.
    async fn keep_oldest(
        &self,
        instances: Vec<Instance>,
        provider: &dyn Provider,
        spec: &InstanceSpec,
    ) -> Vec<Result<Instance>> {
        let shares_token = provider.info().token_scope == TokenScope::Region && spec.location.zone.is_none();
        let search_scopes = &self.existing.search_scopes;
        if shares_token && spec.members.is_none() && search_scopes.len() <= 1 {
            return instances.into_iter().map(Ok).collect();
        }
        remove_duplicates(search_scopes, instances, self.shutdown).await
    }

    /// Checks the spec of an instance: another run may have created it with another spec.
    fn confirm_spec(&self, instance: Instance, spec: &InstanceSpec) -> Result<Instance> {
        let name = name_of(&instance, spec);
        check_same_spec(&instance, self.request, &name, self.placement)?;
        Ok(instance)
    }
}

/// The name that an instance was created for. A single instance may have been renamed since.
fn name_of(instance: &Instance, spec: &InstanceSpec) -> InstanceName {
    match instance.name.as_deref().map(str::parse) {
        Some(Ok(name)) => name,
        _ => spec.name.clone(),
    }
}
