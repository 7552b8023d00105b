//! Creating once: the name is the idempotency key, whoever asks and however often.

use std::time::Duration;

use super::adopt::adopt;
use crate::cloud::{Created, Error, ErrorKind, Instance, InstanceSpec, ListFilter, Place, Provider, Result};
use crate::interrupt::Interrupt;

/// A name that was created and terminated more often than this within the clouds' memory is a loop somewhere.
const MOST_GENERATIONS: u32 = 1_000;

/// How long the last look may take after a signal.
const LAST_LOOK: Duration = Duration::from_millis(1_200);

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
    let listing = provider.list(&spec.place.region_location(), &filter).await?;
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
            Some(Ok(Created::Instance(instance))) if spec.place.zone.is_some() => {
                return without_twin(provider, spec, *instance, interrupt).await;
            }
            Some(Ok(Created::Instance(instance))) => return Ok(*instance),
            Some(Err(error)) => return Err(error),
            None => return unsettled(provider, spec).await,
        }
    }
    Err(internal())
}

/// Processes that race for a name in different zones meet in no token and no namespace. So whoever named a zone looks
/// once more, and of two the younger one goes, by the hand of the very run that made it.
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
    let age = |instance: &Instance| (instance.created_at, instance.reference.id.clone());
    let elder = seen
        .into_iter()
        .filter(|other| !other.state.is_gone() && other.reference.id != made.reference.id)
        .find(|other| age(other) < age(&made));
    let Some(elder) = elder else { return Ok(made) };
    let call = provider.terminate(std::slice::from_ref(&made.reference));
    let outcomes = interrupt.settles(call).await;
    let message = format!(
        "{} was made at the same time in another zone, as {}",
        spec.name, elder.reference
    );
    let outcomes = outcomes.ok_or_else(|| {
        let message = format!("{message}; it is not known whether {} was ended again", made.reference);
        Error::new(ErrorKind::UnknownOutcome, message).with_leftover(&made.reference)
    })?;
    match outcomes.into_iter().find_map(|outcome| outcome.result.err()) {
        Some(error) if error.kind() != ErrorKind::NotFound => {
            let message = format!("{message}; {} could not be ended again: {error}", made.reference);
            Err(Error::new(ErrorKind::Ambiguous, message)
                .with_leftover(&made.reference)
                .with_remedy(format!("terminate one of them: cloudctl terminate {}", made.reference)))
        }
        _ => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{message}; {} was ended again", made.reference),
        )
        .with_leftover(&elder.reference)
        .with_remedy("name the same zone in every run, or none")),
    }
}

/// The call is still under way, and there is no more time: what can be seen of it?
async fn unsettled(provider: &dyn Provider, spec: &InstanceSpec) -> Result<Instance> {
    let look = tokio::time::timeout(LAST_LOOK, look_up(provider, spec)).await;
    let seen = look.ok().and_then(Result::ok).unwrap_or_default();
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
    let error = Error::new(ErrorKind::Capacity, message);
    match tried.last().and_then(Error::code) {
        Some(code) => error.with_code(code),
        None => error,
    }
    .with_remedy("use another --type or --region")
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "the cloud refuses every token for this name")
        .with_remedy("use another name for an hour")
}
