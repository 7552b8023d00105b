//! Where there is room, and what is said where there is none.

use std::collections::VecDeque;

use super::name_index::some;
use super::offer::{Offer, Wish};
use super::placement::{Fallback, Reach};
use crate::cloud::{Error, ErrorKind, InstanceName, InstanceSpec, Place, Result};

/// The zones of an offer's region, the one that was asked for before the others.
pub(crate) async fn zones(offer: &Offer, spec: &InstanceSpec) -> Result<VecDeque<Place>> {
    let anywhere = InstanceSpec {
        place: Place {
            zone: None,
            ..spec.place.clone()
        },
        ..spec.clone()
    };
    let mut places = offer.provider.zones_for(&anywhere).await?;
    if spec.place.zone.is_some() {
        places.retain(|place| *place != spec.place);
        places.insert(0, spec.place.clone());
    }
    Ok(places.into())
}

/// Puts the zones first that, by the cloud's own word, have room.
pub(crate) fn prefer(places: &mut VecDeque<Place>, room_in: &[String]) {
    let has_room = |place: &Place| place.zone.as_ref().is_some_and(|zone| room_in.contains(zone));
    let (with_room, others): (Vec<_>, Vec<_>) = places.drain(..).partition(has_room);
    places.extend(with_room.into_iter().chain(others));
}

/// Whether a refusal is one of the place and not of the spec: an image, a key or a network that is elsewhere.
pub(crate) fn is_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidSpec | ErrorKind::Unsupported)
}

/// The error for names for which no place had room.
pub(crate) fn no_room(wish: &Wish, reach: &Reach<'_>, missing: &[InstanceName], tried: &[Error]) -> Error {
    let refusals: Vec<_> = tried
        .iter()
        .map(|error| error.location().unwrap_or(error.message()))
        .collect();
    let message = format!(
        "no capacity for {}, tried {}; {}nothing was created",
        some(missing),
        refusals.join(", "),
        if wish.spec.members.is_some() { "of these " } else { "" }
    );
    let kind = match tried.last().map(Error::kind) {
        Some(ErrorKind::Quota) => ErrorKind::Quota,
        _ => ErrorKind::Capacity,
    };
    let further: Vec<_> = Fallback::ALL
        .iter()
        .filter(|fallback| !reach.allows(**fallback))
        .map(|fallback| fallback.as_str())
        .collect();
    let mut error = Error::new(kind, message).with_remedy(match further.is_empty() {
        true => "ask for less, or try again later".to_owned(),
        false => format!(
            "let it look further with --fallback {}, or ask for less",
            further.join(",")
        ),
    });
    if let Some(code) = tried.iter().rev().find_map(Error::code) {
        error = error.with_code(code);
    }
    error.with_leftovers(tried.iter().flat_map(Error::leftovers))
}
