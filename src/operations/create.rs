//! Creating once: the name is the idempotency key, whoever asks and however often.

use jiff::{SignedDuration, Timestamp};

use super::adopt::adopt;
use crate::cloud::{
    Created, Error, ErrorKind, Instance, InstanceSpec, InstanceState, ListFilter, Place, Provider, Result,
};
use crate::interrupt::Interrupt;

/// A name that was created and terminated more often than this within the clouds' memory is a loop somewhere.
const MOST_GENERATIONS: u32 = 1_000;

/// For how long what a create call gave can be what a race made: longer than the call may take.
const JUST_MADE: SignedDuration = SignedDuration::from_mins(10);

/// An instance of the asked name and spec.
#[derive(Debug)]
pub struct Creation {
    /// The instance.
    pub instance: Instance,
    /// Whether it was there before this run.
    pub adopted: bool,
    /// The places that had no room, each with its refusal, before one had.
    pub tried: Vec<Error>,
}

/// How far a create may look for room when the place it prefers has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// To the region's other zones.
    Zone,
    /// To other machine types that have at least as much.
    Type,
    /// To other regions of the same area.
    Region,
    /// To other clouds.
    Provider,
}

/// Gives the one instance of the spec's name in its region, making it if it is not there. Goes on to another place, as
/// far as `fallback` allows, only after a definite lack of capacity; whatever is uncertain stays where it is.
///
/// # Errors
/// `AlreadyExists` if the name is taken by another spec or by what is not ours; the message says what differs.
/// `Ambiguous` if the name is there twice. Those of [`Provider::create`]. A look-up that is incomplete is an error
/// too: what cannot be seen may be there. `Interrupted` if a signal came before anything was made.
pub async fn create_once(
    provider: &dyn Provider,
    spec: &InstanceSpec,
    fallback: &[Fallback],
    interrupt: &Interrupt,
) -> Result<Creation> {
    let may_move = fallback.contains(&Fallback::Zone);
    let anywhere = &InstanceSpec {
        place: Place {
            zone: spec.place.zone.clone().filter(|_| !may_move),
            ..spec.place.clone()
        },
        ..spec.clone()
    };
    let listing = interrupt.stops(look_up(provider, spec)).await?;
    let (gone, living): (Vec<_>, Vec<_>) = listing.into_iter().partition(|instance| instance.state.is_gone());
    match living.as_slice() {
        [] => {}
        [_] => {
            let existing = living.into_iter().next();
            return existing
                .ok_or_else(internal)
                .and_then(|instance| adopt(instance, anywhere));
        }
        several => {
            let all: Vec<_> = several.iter().map(|instance| instance.reference.to_string()).collect();
            return Err(Error::new(
                ErrorKind::Ambiguous,
                format!("{} is there {} times: {}", spec.name, all.len(), all.join(", ")),
            )
            .with_remedy("terminate all but one of them by their full references"));
        }
    }
    // A token outlives its instance: go on after the last life that can still be seen. A process that cannot see it
    // starts earlier, is told "spent" for each, and arrives at the same generation.
    let first = gone
        .iter()
        .filter_map(|instance| instance.generation)
        .max()
        .map_or(0, |last| last.saturating_add(1));
    let places = match may_move {
        true => interrupt.stops(places_to_try(provider, anywhere, &spec.place)).await?,
        false => vec![spec.place.clone()],
    };
    let mut tried = Vec::new();
    for place in places {
        let here = InstanceSpec { place, ..spec.clone() };
        match create_here(provider, &here, first, interrupt).await {
            Ok(instance) => {
                let creation = adopt(instance, anywhere)?;
                return Ok(Creation {
                    adopted: false,
                    tried,
                    ..creation
                });
            }
            // Drivers may know no more than the region.
            Err(error) if error.kind() == ErrorKind::Capacity && may_move => {
                tried.push(error.at(format!("{}/{}", provider.kind(), here.place)));
            }
            Err(error) => return Err(error),
        }
    }
    Err(no_room(spec, &tried))
}

/// What there is of the spec's name in its region, dead or alive.
async fn look_up(provider: &dyn Provider, spec: &InstanceSpec) -> Result<Vec<Instance>> {
    let filter = ListFilter::managed_name(spec.name.as_str());
    let place = spec.place.region_location();
    let mut listing = provider.list(&place, &filter).await?;
    let is_stopping = |instance: &Instance| instance.state == InstanceState::Stopping;
    if listing.instances.iter().any(is_stopping) {
        // Compute Engine shows what is being deleted as stopping, and what tells them apart can be over before it is
        // asked for: then the instance is gone by now.
        listing = provider.list(&place, &filter).await?;
    }
    match listing.gaps.into_iter().next() {
        Some(gap) => Err(gap.context(format_args!("cannot tell whether {} exists", spec.name))),
        None => Ok(listing.instances),
    }
}

/// The zones of the region, the one that was asked for before the others.
async fn places_to_try(provider: &dyn Provider, anywhere: &InstanceSpec, asked: &Place) -> Result<Vec<Place>> {
    let mut places = provider.zones_for(anywhere).await?;
    if asked.zone.is_some() {
        places.retain(|place| place != asked);
        places.insert(0, asked.clone());
    }
    Ok(places)
}

/// Makes the instance in the spec's place, in the first life of its name that is free.
async fn create_here(
    provider: &dyn Provider,
    spec: &InstanceSpec,
    first: u32,
    interrupt: &Interrupt,
) -> Result<Instance> {
    for generation in first..first.saturating_add(MOST_GENERATIONS) {
        interrupt.check()?;
        match interrupt.settles(provider.create(spec, generation)).await {
            Some(Ok(Created::TokenSpent)) => tracing::debug!(%generation, "token spent"),
            Some(Ok(Created::Instance(made))) if provider.is_token_zonal(spec) => {
                return without_twin(provider, spec, *made, interrupt).await;
            }
            Some(Ok(Created::Instance(made))) => return Ok(*made),
            Some(Err(error)) => return Err(error),
            None => return unsettled(provider, spec, interrupt).await,
        }
    }
    Err(internal())
}

/// Processes that race for a name in different zones meet in no token and no namespace. So each looks once more, and of
/// two instances the younger one goes, by the hand of the very run that made it. Gives the one that stays.
async fn without_twin(
    provider: &dyn Provider,
    spec: &InstanceSpec,
    made: Instance,
    interrupt: &Interrupt,
) -> Result<Instance> {
    let Ok(seen) = interrupt.stops(look_up(provider, spec)).await else {
        // It exists, by the answer; not being able to look, or a signal, is no reason to say otherwise.
        return Ok(made);
    };
    // Every process must compare the same times: those of the listing, where it has them.
    let own = seen.iter().find(|other| other.reference.id == made.reference.id);
    let age = |instance: &Instance| (instance.created_at, instance.reference.id.clone());
    let own_age = age(own.unwrap_or(&made));
    let others = seen
        .iter()
        .filter(|other| !other.state.is_gone() && other.reference.id != made.reference.id);
    let elder = others
        .min_by_key(|other| age(other))
        .filter(|other| age(other) < own_age);
    let Some(elder) = elder else { return Ok(made) };
    let end = async {
        if !was_just_made(provider, own_age.0).await {
            return Some(Error::new(ErrorKind::Refused, "it was not made just now"));
        }
        let outcomes = provider.terminate(std::slice::from_ref(&made.reference)).await;
        outcomes.into_iter().find_map(|outcome| outcome.result.err())
    };
    let failure = interrupt.settles(end).await.ok_or_else(|| {
        let message = format!(
            "{} is there twice, and it is not known whether {} was ended again",
            spec.name, made.reference
        );
        Error::new(ErrorKind::UnknownOutcome, message).with_leftover(&made.reference)
    })?;
    match failure {
        Some(error) if error.kind() != ErrorKind::NotFound => Err(Error::new(
            ErrorKind::Ambiguous,
            format!(
                "{} is there twice, as {} and as {}, which was not ended again: {error}",
                spec.name, elder.reference, made.reference
            ),
        )
        .with_leftover(&made.reference)
        .with_remedy(format!("terminate one of them: cloudctl terminate {}", made.reference))),
        _ => {
            tracing::info!(elder = %elder.reference, younger = %made.reference, "made twice; the younger one was ended");
            Ok(elder.clone())
        }
    }
}

/// Whether an instance is so young that only a race can have made it, by the cloud's own clock. What has been there for
/// a while is not ours to end, whatever the call said that seemed to make it.
async fn was_just_made(provider: &dyn Provider, created_at: Option<Timestamp>) -> bool {
    match (provider.time().await, created_at) {
        (Ok(now), Some(created_at)) => now.duration_since(created_at) < JUST_MADE,
        _ => false,
    }
}

/// The call is still under way, and there is no more time: what can be seen of it?
async fn unsettled(provider: &dyn Provider, spec: &InstanceSpec, interrupt: &Interrupt) -> Result<Instance> {
    let look = interrupt.last_look(look_up(provider, spec)).await;
    let seen = look.and_then(Result::ok).unwrap_or_default();
    seen.into_iter()
        .find(|instance| !instance.state.is_gone())
        .ok_or_else(|| {
            let message = format!(
                "interrupted while {} was being made: it is not known whether it exists",
                spec.name
            );
            Error::new(ErrorKind::UnknownOutcome, message)
                .with_remedy("run the same command again, which finds it or makes it, or terminate it by name")
        })
}

fn no_room(spec: &InstanceSpec, tried: &[Error]) -> Error {
    let refusals: Vec<_> = tried
        .iter()
        .map(|error| {
            error
                .location()
                .and_then(|place| place.rsplit('/').next())
                .unwrap_or(error.message())
        })
        .collect();
    let message = format!(
        "no capacity for {} in {}, tried {}; nothing was created",
        spec.name,
        spec.place.region,
        refusals.join(", ")
    );
    let mut error = Error::new(ErrorKind::Capacity, message).with_remedy("use another --type or --region");
    if let Some(code) = tried.last().and_then(Error::code) {
        error = error.with_code(code);
    }
    match tried.iter().find_map(Error::leftover) {
        Some(leftover) => error.with_leftover(leftover),
        None => error,
    }
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "the cloud refuses every token for this name")
        .with_remedy("use another name for an hour")
}
