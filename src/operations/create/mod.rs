//! Creating once: the name is the idempotency key, whoever asks and however often.

pub(super) mod duplicates;
pub(super) mod existing;
pub(super) mod launch;
pub(super) mod name_index;
pub(super) mod offers;
pub(super) mod placement;
pub(super) mod reconcile;

use std::collections::VecDeque;
use std::sync::Arc;

use self::duplicates::remove_duplicates;
use self::existing::{NameStatus, find_existing, name_status};
use self::launch::{LaunchResult, launch};
use self::name_index::{NameIndex, SearchScope};
use self::offers::{CreateRequest, Offer};
use self::placement::{
    Fallback, PlacementRefusal, PlacementScope, PlacementStep, candidate_zones, is_definite_refusal,
    is_location_specific, no_capacity_error, zones_with_capacity_first,
};
use self::reconcile::reconcile;
use super::batch::send;
use crate::cloud::{
    Error, ErrorKind, ErrorLocation, GroupMembers, Instance, InstanceAction, InstanceName, InstanceSpec, Result,
    TokenScope,
};
use crate::shutdown::Shutdown;

/// An instance of the asked name and spec.
#[derive(Debug)]
pub struct CreatedInstance {
    /// The instance.
    pub instance: Instance,
    /// Whether it was there before this run.
    pub already_existed: bool,
}

/// What creating came to: of one VM, or of the members of a group.
#[derive(Debug, Default)]
pub struct CreateReport {
    /// What is there now, in no order.
    pub creations: Vec<CreatedInstance>,
    /// The locations that were tried in vain, before one had capacity.
    pub refusals: Vec<PlacementRefusal>,
    /// The offer that was taken, and the best one beside it, where there was a choice.
    pub selected: Option<(Offer, Option<Offer>)>,
    /// What kept the others from being there.
    pub errors: Vec<Error>,
}

/// Gives the one instance of each of the spec's names, making those that are not there. Goes on to another place, as far
/// as the reach allows, only after a definite refusal for want of capacity or quota; whatever is uncertain stays where
/// it is. What went wrong is in [`CreateReport::errors`]:
///
/// - `AlreadyExists` if a name is taken by another spec or by what is not ours; the message says what differs;
/// - `Ambiguous` if a name is there twice;
/// - those of [`Instances::create`](crate::cloud::Instances::create);
/// - that of a look-up that is incomplete: what cannot be seen may be there;
/// - `Interrupted` if a signal came before anything was made.
pub async fn create_by_name(wish: &CreateRequest, reach: &PlacementScope<'_>, interrupt: &Shutdown) -> CreateReport {
    let mut creations = CreateReport::default();
    if let Err(error) = create_missing(wish, reach, interrupt, &mut creations).await {
        creations.errors.push(error);
    }
    creations
}

async fn create_missing(
    wish: &CreateRequest,
    reach: &PlacementScope<'_>,
    interrupt: &Shutdown,
    done: &mut CreateReport,
) -> Result<()> {
    let (parts, seen) = interrupt.run_until_signal(find_existing(wish, reach)).await?;
    let NameStatus {
        present,
        missing,
        errors,
    } = name_status(&seen, wish, reach)?;
    done.errors.extend(errors);
    for instance in present {
        match complete(instance, wish, reach, interrupt).await {
            Ok(instance) => done.creations.push(CreatedInstance {
                instance,
                already_existed: true,
            }),
            Err(error) => done.errors.push(error),
        }
    }
    let mut search = PlacementSearch {
        wish,
        reach,
        parts: &parts,
        seen: &seen,
        interrupt,
        missing,
    };
    search.run(done).await
}

/// Gives an instance that is there what the call that made it may not have come to.
async fn complete(
    mut instance: Instance,
    wish: &CreateRequest,
    reach: &PlacementScope<'_>,
    interrupt: &Shutdown,
) -> Result<Instance> {
    let is_complete = !wish.spec.protected || instance.protected != Some(false);
    let Some(provider) = reach.provider(instance.provider).filter(|_| !is_complete) else {
        return Ok(instance);
    };
    // Compute Engine protects the members of a group after the call that makes them.
    let target = std::slice::from_ref(&instance);
    let outcomes = send(&|_| Arc::clone(provider), target, InstanceAction::Protect, interrupt).await;
    let protected = outcomes.into_iter().try_for_each(|outcome| outcome.result);
    protected.map_err(|error| {
        error
            .with_subject(&instance.reference)
            .with_leftover(&instance.reference)
    })?;
    instance.protected = Some(true);
    Ok(instance)
}

/// The search for a place that has room for all that is missing.
struct PlacementSearch<'a> {
    wish: &'a CreateRequest,
    reach: &'a PlacementScope<'a>,
    parts: &'a [SearchScope],
    seen: &'a NameIndex,
    interrupt: &'a Shutdown,
    missing: Vec<InstanceName>,
}

impl PlacementSearch<'_> {
    async fn run(&mut self, done: &mut CreateReport) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        for step in self.reach.steps() {
            let offers = match self
                .interrupt
                .run_until_signal(self.reach.offers(step, self.wish))
                .await
            {
                Ok(offers) => offers,
                // Farther out there is nothing that fits: the refusals that led there say why.
                Err(error) if step != PlacementStep::Requested && is_definite_refusal(error.kind()) => {
                    done.refusals.push(PlacementRefusal {
                        location: error.location().cloned(),
                        machine_type: None,
                        error,
                    });
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (position, offer) in offers.iter().enumerate() {
                let is_last = position + 1 == offers.len() && Some(&step) == self.reach.steps().last();
                self.try_offer(offer, is_last, done).await?;
                if self.missing.is_empty() {
                    if offers.len() > 1 && offer.machine.is_some() {
                        done.selected = Some((offer.clone(), offers.get(position + 1).cloned()));
                    } else if offer.machine.is_some() {
                        done.selected = Some((offer.clone(), None));
                    }
                    return Ok(());
                }
            }
        }
        // Where nothing was short of room, what is wrong is the spec.
        match done
            .refusals
            .iter()
            .any(|refusal| !is_location_specific(&refusal.error))
        {
            true => Err(no_capacity_error(self.wish, self.reach, &self.missing, &done.refusals)),
            false => Err(match done.refusals.is_empty() {
                true => no_capacity_error(self.wish, self.reach, &self.missing, &done.refusals),
                false => done.refusals.remove(0).error,
            }),
        }
    }

    /// Tries the places of an offer. What is still missing afterwards found no room there.
    async fn try_offer(&mut self, offer: &Offer, is_last: bool, done: &mut CreateReport) -> Result<()> {
        let spec = offer.spec(self.wish)?;
        let may_move = self.reach.allows(Fallback::Zone);
        let mut places = match may_move {
            true => match self.interrupt.run_until_signal(candidate_zones(offer, &spec)).await {
                Ok(places) => places,
                Err(error) if !is_last && is_definite_refusal(error.kind()) => {
                    done.refusals.push(PlacementRefusal {
                        location: Some(ErrorLocation::new(offer.provider.kind(), &spec.location)),
                        machine_type: None,
                        error,
                    });
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            false => VecDeque::from([offer.place.clone()]),
        };
        let is_only = is_last && done.refusals.is_empty() && places.len() == 1 && !may_move;
        while let Some(place) = places.pop_front() {
            let here = InstanceSpec {
                location: place,
                ..spec.clone()
            };
            let refusal = |error| PlacementRefusal {
                location: Some(ErrorLocation::new(offer.provider.kind(), &here.location)),
                machine_type: here.selected_machine_type.clone(),
                error,
            };
            let failure = self.create_in(offer, &here, done).await.err();
            match failure {
                None => return Ok(()),
                Some(error) if is_only => return Err(error),
                Some(error) if error.kind() == ErrorKind::Capacity => {
                    zones_with_capacity_first(&mut places, error.zones_with_capacity());
                    // Drivers may know no more than the region.
                    done.refusals.push(refusal(error));
                }
                // A quota is that of a region: its other zones have no more of it.
                Some(error) if error.kind() == ErrorKind::Quota && !is_last => {
                    done.refusals.push(refusal(error));
                    return Ok(());
                }
                Some(error) if !is_last && is_location_specific(&error) => {
                    done.refusals.push(refusal(error));
                    return Ok(());
                }
                Some(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes what is missing, in one place, in as many calls as the cloud needs.
    async fn create_in(&mut self, offer: &Offer, here: &InstanceSpec, done: &mut CreateReport) -> Result<()> {
        let provider = offer.provider.as_ref();
        let groups = match &here.members {
            None => vec![None],
            Some(all) => {
                let all = all.indexes().iter().copied();
                let is_missing = |index: &u32| {
                    here.name
                        .member_name(*index)
                        .is_ok_and(|name| self.missing.contains(&name))
                };
                let missing: Vec<u32> = all.filter(is_missing).collect();
                GroupMembers::split(&missing, provider.info().max_instances_per_call)
                    .into_iter()
                    .map(Some)
                    .collect()
            }
        };
        for members in groups {
            let spec = InstanceSpec {
                members,
                ..here.clone()
            };
            let names = spec.instance_names()?;
            let first = self.seen.next_generation(&names);
            let LaunchResult { instances, error } = launch(provider, &spec, first, self.parts, self.interrupt).await;
            let instances = match self.may_race(offer, &spec) {
                true => remove_duplicates(self.parts, instances, self.interrupt).await,
                false => instances.into_iter().map(Ok).collect(),
            };
            for instance in instances {
                match instance.and_then(|instance| self.accept(instance, &spec)) {
                    Ok(instance) => done.creations.push(CreatedInstance {
                        instance,
                        already_existed: false,
                    }),
                    Err(error) if here.members.is_none() => return Err(error),
                    Err(error) => done.errors.push(error),
                }
            }
            if let Some(error) = error {
                return Err(error);
            }
            self.missing.retain(|name| !names.contains(name));
        }
        Ok(())
    }

    fn may_race(&self, offer: &Offer, spec: &InstanceSpec) -> bool {
        let has_zonal_token = offer.provider.info().token_scope == TokenScope::Zone || spec.location.zone.is_some();
        has_zonal_token || spec.members.is_some() || self.parts.len() > 1
    }

    /// What a call gave can be what another call made of the same name.
    fn accept(&mut self, instance: Instance, spec: &InstanceSpec) -> Result<Instance> {
        let name = instance
            .name
            .as_deref()
            .and_then(|name| name.parse::<InstanceName>().ok());
        let name = name.unwrap_or_else(|| spec.name.clone());
        self.missing.retain(|missing| *missing != name);
        reconcile(instance, self.wish, &name, self.reach)
    }
}
