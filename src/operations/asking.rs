//! Asking one location, for as long as it has something to say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::silence::{Silence, Stopwatch};
use crate::cloud::{Error, ErrorKind, Instance, ListFilter, Location, Pages, Provider, Result};

/// How long one location may say nothing, before its first page and between any two.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// A location, and what is heard of it while it is being listed.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) location: Location,
    has_instances: AtomicBool,
}

impl Asked {
    pub(super) fn new(location: Location) -> Self {
        Self {
            location,
            has_instances: AtomicBool::new(false),
        }
    }

    /// Instances were listed.
    pub(super) fn hear(&self) {
        self.has_instances.store(true, Ordering::Relaxed);
    }

    /// Whether any were.
    pub(super) fn has_instances(&self) -> bool {
        self.has_instances.load(Ordering::Relaxed)
    }
}

/// Lists one location for as long as it goes on saying something.
pub(super) async fn list_in_time(
    provider: &dyn Provider,
    asked: &Asked,
    filter: &ListFilter,
    watch: &Stopwatch,
    hand_on: &mut (dyn FnMut(Vec<Instance>) + Send),
) -> Result<Vec<Error>> {
    let silence = Silence::begins(watch, LONGEST_SILENCE);
    let mut listen = |page: Vec<Instance>| {
        // A cloud that says the same again and again, or nothing page after page, might as well be silent.
        let is_news = !page.is_empty();
        if is_news {
            asked.hear();
        }
        hand_on(page);
        if is_news {
            silence.breaks();
        }
    };
    let pages = Pages::new(&asked.location, filter, &mut listen);
    in_time(provider, &asked.location, &silence, provider.list_pages(&pages)).await
}

/// Ends a call about a location that is silent for too long; its errors name the place.
///
/// # Errors
/// `Network` after too long a silence; those of the call.
pub(super) async fn within_deadline<T>(
    provider: &dyn Provider,
    location: &Location,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let watch = Stopwatch::start();
    in_time(provider, location, &Silence::begins(&watch, LONGEST_SILENCE), call).await
}

/// Ends a call when its silence has lasted too long; its errors name the place.
async fn in_time<T>(
    provider: &dyn Provider,
    location: &Location,
    silence: &Silence<'_>,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let place = place_name(provider, location);
    let answer = silence.bounds(call).await.unwrap_or_else(|| {
        let seconds = LONGEST_SILENCE.as_secs();
        Err(Error::new(ErrorKind::Network, format!("no answer within {seconds} s")))
    });
    answer.map_err(|error| match error.location() {
        Some(_) => error,
        None => error.at(place),
    })
}

fn place_name(provider: &dyn Provider, location: &Location) -> String {
    match location {
        Location::Everywhere => provider.kind().to_string(),
        _ => format!("{}/{location}", provider.kind()),
    }
}
