//! Asking the whole of a cloud: the locations that every account has at once, and the others as soon as the cloud has
//! named them.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::inventory::Inventory;
use super::location_query::{Asked, within_deadline};
use crate::cloud::{Error, ErrorKind, Location, Provider};

/// Asks every location of a cloud with `list`.
///
/// One that was asked before the cloud named its locations, and is none of them, does not count, whatever it answered:
/// who is first must make no difference.
pub(super) async fn ask_everywhere(
    provider: &dyn Provider,
    list: &impl AsyncFn(&dyn Provider, &Asked) -> Inventory,
) -> Vec<Inventory> {
    let ask = |asked: Arc<Asked>| async move {
        let part = list(provider, &asked).await;
        (asked, part)
    };
    // Reading the configuration can take for ever, too, where home is on a network.
    let known = async { Ok(provider.known_locations().await) };
    let known = within_deadline(provider, &Location::Everywhere, known)
        .await
        .unwrap_or_default();
    let mut open: Vec<_> = known
        .iter()
        .cloned()
        .map(|known| Arc::new(Asked::early(known)))
        .collect();
    let mut asking: FuturesUnordered<_> = open.iter().cloned().map(ask).collect();
    let mut answers = Vec::new();
    let mut discovery = pin!(within_deadline(provider, &Location::Everywhere, provider.locations()));
    let named = loop {
        tokio::select! {
            named = &mut discovery => break named,
            Some(answer) = asking.next() => answers.push(answer),
        }
    };
    let named = named.and_then(|named| match named.is_empty() {
        true => Err(Error::new(
            ErrorKind::Network,
            "it named no region, and there is no such account",
        )),
        false => Ok(named),
    });
    let named: BTreeSet<Location> = match named {
        Ok(named) => named.into_iter().collect(),
        Err(error) => {
            open.iter().for_each(|asked| asked.decide(true));
            answers.extend(asking.collect::<Vec<_>>().await);
            // Whoever failed of the same need not be named: the whole cloud is incomplete.
            let tells_more = |part: &Inventory| part.gaps.iter().any(|gap| gap.kind() != error.kind());
            answers.retain(|(asked, part)| part.answered > 0 || asked.has_instances() || tells_more(part));
            let mut parts = in_order(answers);
            parts.push(Inventory::of_silent_cloud(provider, error));
            return parts;
        }
    };
    for asked in &open {
        asked.decide(named.contains(&asked.location));
    }
    for location in named.iter().filter(|location| !known.contains(location)) {
        let asked = Arc::new(Asked::named(location.clone()));
        open.push(Arc::clone(&asked));
        asking.push(ask(asked));
    }
    let counts = |asked: &Arc<Asked>| asked.is_named() == Some(true);
    open.retain(|asked| !answers.iter().any(|(answered, _)| Arc::ptr_eq(answered, asked)));
    while open.iter().any(counts) {
        let Some((asked, part)) = asking.next().await else {
            break;
        };
        open.retain(|open| !Arc::ptr_eq(open, &asked));
        answers.push((asked, part));
    }
    answers.retain(|(asked, _)| counts(asked));
    in_order(answers)
}

/// The answers by their locations: who was first must make no difference.
fn in_order(mut answers: Vec<(Arc<Asked>, Inventory)>) -> Vec<Inventory> {
    answers.sort_by(|(one, _), (other, _)| one.location.cmp(&other.location));
    answers.into_iter().map(|(_, part)| part).collect()
}
