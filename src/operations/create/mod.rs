//! Creates the instance of a name once, however often and from wherever the same command is run.

pub(super) mod closest_machine_type;
mod compare_existing;
pub(super) mod fallback;
mod find_existing;
mod instances_by_name;
mod launch;
mod name_lookups;
pub(super) mod offers;
pub(super) mod placement_search;
pub(super) mod preview;
mod price_limits;
mod terminate_duplicates;

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{Either, join, select};
use futures_util::stream::{self, Stream, StreamExt};

use self::compare_existing::check_same_spec;
use self::find_existing::{ExistingInstances, NameStatus};
use self::launch::{Launch, split_into_calls};
use self::name_lookups::{CONCURRENT_REQUESTS, NameLookups};
use self::offers::CreateRequest;
use self::placement_search::{PlacementRefusal, PlacementRules, PlacementSearch, PlacementTarget, SelectedOffer};
use self::terminate_duplicates::remove_duplicates;
use super::apply_action::{Change, send};
use crate::cloud::{Error, Instance, InstanceAction, InstanceName, InstanceSpec, Result};
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

/// Finds the instance of each name of the requests, and creates those that are missing. Gives a report for each request,
/// in their order, as soon as it is there.
///
/// Tries another location, as far as the scope allows, only after a call that had no effect and would fail there again.
/// [`CreateReport::errors`] has:
///
/// - `AlreadyExists` if a name has another spec or an unmanaged VM has it; the message says what differs;
/// - `Ambiguous` if several instances have a name;
/// - the errors of [`Instances::create`](crate::cloud::Instances::create);
/// - the errors of listing, also of an incomplete listing: an instance may be in the part that is missing;
/// - `Interrupted` if a signal came before anything was created.
pub fn create_all_by_name<'a>(
    requests: &'a [(&'a CreateRequest, &'a PlacementRules<'a>)],
    shutdown: &'a Shutdown,
) -> impl Stream<Item = CreateReport> + 'a {
    let lookups = NameLookups::plan(requests).map(Arc::new).boxed_local().shared();
    let runs = requests
        .iter()
        .enumerate()
        .map(move |(position, (request, placement))| {
            let lookups = lookups.clone();
            let find_existing = async move { lookups.await.find_existing(position).await };
            create_by_name(request, placement, find_existing, shutdown)
        });
    stream::iter(runs).buffered(CONCURRENT_REQUESTS)
}

/// Runs one request. `find_existing` looks up its names.
async fn create_by_name(
    request: &CreateRequest,
    placement: &PlacementRules<'_>,
    find_existing: impl Future<Output = Result<ExistingInstances>>,
    shutdown: &Shutdown,
) -> CreateReport {
    let mut run = CreateRun {
        request,
        placement,
        shutdown,
        existing: ExistingInstances::default(),
        missing: Vec::new(),
        was_missing: false,
        report: CreateReport::default(),
    };
    let mut search = PlacementSearch::new(request, placement, shutdown);
    if let Err(error) = run.find_and_create(find_existing, &mut search).await {
        run.report.errors.push(error);
    }
    // A target that was not needed may have been refused, too.
    if run.was_missing {
        run.report.refusals = search.into_refusals();
    }
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
    /// Whether any name was missing at first.
    was_missing: bool,
    report: CreateReport,
}

/// A target, and whether its cloud found what the create call needs.
struct PreparedTarget {
    target: PlacementTarget,
    result: Result<()>,
}

/// Chooses the next target, and looks up what its create call needs; `None` if nothing is left to try.
async fn prepare_next_target(search: &mut PlacementSearch<'_>, shutdown: &Shutdown) -> Result<Option<PreparedTarget>> {
    let Some(target) = search.next_target().await? else {
        return Ok(None);
    };
    let provider = &target.offer.provider;
    let calls = split_into_calls(
        &target.spec,
        &target.spec.instance_names()?,
        provider.info().max_instances_per_call,
    )?;
    let result = match calls.first() {
        // The other calls need the same look-ups.
        Some(spec) => shutdown.run_until_signal(provider.prepare(spec)).await,
        None => Ok(()),
    };
    Ok(Some(PreparedTarget { target, result }))
}

impl CreateRun<'_> {
    /// The whole run: finds the names, chooses one target after another, and creates what is missing there.
    async fn find_and_create(
        &mut self,
        find_existing: impl Future<Output = Result<ExistingInstances>>,
        search: &mut PlacementSearch<'_>,
    ) -> Result<()> {
        let shutdown = self.shutdown;
        // The first target is prepared while the names are looked up. If all of them exist, it is not needed.
        let mut prepared = {
            let look_up = pin!(shutdown.run_until_signal(find_existing));
            let prepare = pin!(prepare_next_target(search, shutdown));
            match select(look_up, prepare).await {
                Either::Left((existing, prepare)) => {
                    let present = self.check_names(existing?)?;
                    match self.missing.is_empty() {
                        true => {
                            self.report_present(present).await;
                            return Ok(());
                        }
                        false => join(self.report_present(present), prepare).await.1,
                    }
                }
                Either::Right((prepared, look_up)) => {
                    let present = self.check_names(look_up.await?)?;
                    self.report_present(present).await;
                    prepared
                }
            }
        };
        while !self.missing.is_empty() {
            let Some(PreparedTarget { target, result }) = prepared? else {
                return Err(search.take_final_error(&self.missing));
            };
            let created = match result {
                Ok(()) => self.create_at(&target).await,
                Err(error) => Err(error),
            };
            match created {
                Ok(()) => {
                    self.report.selected = search.selected_offer(target);
                    return Ok(());
                }
                Err(error) => search.record_failure(&target, error)?,
            }
            prepared = prepare_next_target(search, shutdown).await;
        }
        Ok(())
    }

    /// Gives the instances that exist and may stay as they are, and keeps the names that are missing.
    fn check_names(&mut self, existing: ExistingInstances) -> Result<Vec<Instance>> {
        self.existing = existing;
        let NameStatus {
            present,
            missing,
            errors,
        } = self.existing.check_names(self.request, self.placement)?;
        self.was_missing = !missing.is_empty();
        self.missing = missing;
        self.report.errors.extend(errors);
        Ok(present)
    }

    /// Reports the instances that existed before.
    async fn report_present(&mut self, present: Vec<Instance>) {
        for instance in present {
            let result = self.protect_if_requested(instance).await;
            self.add_to_report(result, true);
        }
    }

    /// Launches the missing instances at one target, keeps the oldest of each name, and confirms their specs.
    async fn create_at(&mut self, target: &PlacementTarget) -> Result<()> {
        let provider = target.offer.provider.as_ref();
        for spec in split_into_calls(&target.spec, &self.missing, provider.info().max_instances_per_call)? {
            let names = spec.instance_names()?;
            let ExistingInstances { search_scopes, index } = &self.existing;
            let launch = Launch {
                provider,
                search_scopes,
                shutdown: self.shutdown,
            };
            // The same generation has the same token: the call can be repeated, and creates nothing more.
            let launched = launch.run(&spec, index.next_generation(&names)).await;
            // What was launched is never requested again, whatever becomes of it.
            let created: Vec<_> = launched.instances.iter().map(|one| name_of(one, &spec)).collect();
            self.missing.retain(|name| !created.contains(name));
            let kept = remove_duplicates(&launched.listings, search_scopes, launched.instances, self.shutdown).await;
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
