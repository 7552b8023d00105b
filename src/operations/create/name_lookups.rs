//! Looks up the names of several requests together: each scope is listed once, for all names that may be in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, try_join_all};
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::find_existing::ExistingInstances;
use super::instances_by_name::{NameIndex, SearchScope, check_complete, list_names_in_scope};
use super::offers::CreateRequest;
use super::placement_search::PlacementRules;
use crate::cloud::{Error, ErrorKind, InstanceName, ListFilter, Listing, Result};

/// How many names one listing is about. Compute Engine filters by so many; with more, it would list the whole project.
const NAMES_PER_LISTING: usize = 30;
/// How many requests of one command send calls at once: more would only exceed the clouds' rate limits.
pub(super) const CONCURRENT_REQUESTS: usize = 16;
/// A request that starts later after the shared listing lists its names again: other people have changed things since.
const MAX_LISTING_AGE: Duration = Duration::from_secs(10);

/// The names of all requests of one command, and the listings in which they are looked for.
pub(super) struct NameLookups {
    requests: Vec<Result<RequestNames>>,
    listings: Vec<SharedListing>,
}

/// The names of one request, and everything that they are looked up in.
struct RequestNames {
    names: Vec<InstanceName>,
    scopes: Vec<SearchScope>,
}

/// The listing of some names in one scope, which the first request that needs it starts.
struct SharedListing {
    scope: SearchScope,
    names: BTreeSet<InstanceName>,
    listing: Shared<BoxFuture<'static, Result<TimedListing>>>,
}

/// A listing, and when it began.
#[derive(Clone)]
struct TimedListing {
    began_at: Instant,
    listing: Arc<Listing>,
}

impl NameLookups {
    /// Finds out what must be listed. Lists nothing yet.
    pub(super) async fn plan(requests: &[(&CreateRequest, &PlacementRules<'_>)]) -> Self {
        let plans = requests.iter().map(|(request, placement)| async move {
            Ok(RequestNames {
                names: request.spec.instance_names()?,
                scopes: placement.list_search_scopes().await?,
            })
        });
        let requests: Vec<Result<RequestNames>> = stream::iter(plans).buffered(CONCURRENT_REQUESTS).collect().await;
        let mut listings: Vec<SharedListing> = Vec::new();
        for scope in requests.iter().flatten().flat_map(|request| &request.scopes) {
            if listings.iter().any(|known| is_same_scope(&known.scope, scope)) {
                continue;
            }
            let in_scope = |request: &&RequestNames| request.scopes.iter().any(|other| is_same_scope(other, scope));
            let requests_in_scope = requests.iter().flatten().filter(in_scope);
            listings.extend(share_listings(scope, requests_in_scope));
        }
        Self { requests, listings }
    }

    /// Finds the instances that have the names of one request, also unmanaged ones: those take their names, too.
    ///
    /// # Errors
    /// Those of listing. Also if a scope did not answer in part: an instance may be there.
    pub(super) async fn find_existing(&self, request: usize) -> Result<ExistingInstances> {
        let Some(request) = self.requests.get(request) else {
            return Err(Error::new(
                ErrorKind::Internal,
                "the names of a request were not looked up",
            ));
        };
        let request = request.as_ref().map_err(Clone::clone)?;
        let listings = request.scopes.iter().map(|scope| self.list(scope, request));
        let mut index = NameIndex::default();
        for listing in try_join_all(listings).await?.into_iter().flatten() {
            check_complete(&listing, &request.names)?;
            for instance in &listing.instances {
                if request.has_name(instance.name.as_deref()) {
                    index.insert(instance.clone());
                }
            }
        }
        Ok(ExistingInstances {
            search_scopes: request.scopes.clone(),
            index,
        })
    }

    /// Lists the names of a request in a scope. If the shared listing is old, or got no answer, the request lists its own
    /// names.
    async fn list(&self, scope: &SearchScope, request: &RequestNames) -> Result<Vec<Arc<Listing>>> {
        let shared = self
            .listings
            .iter()
            .filter(|shared| is_same_scope(&shared.scope, scope));
        let shared = shared.filter(|shared| request.names.iter().any(|name| shared.names.contains(name)));
        let listings = try_join_all(shared.map(|shared| shared.listing.clone())).await;
        let is_usable = match &listings {
            Ok(listings) => listings
                .iter()
                .all(|listing| listing.began_at.elapsed() < MAX_LISTING_AGE),
            Err(error) => !matches!(error.kind(), ErrorKind::Network | ErrorKind::Throttled) || !self.is_shared(),
        };
        if is_usable {
            return Ok(listings?.into_iter().map(|listing| listing.listing).collect());
        }
        let own = share_listings(scope, std::iter::once(request));
        let listings = try_join_all(own.into_iter().map(|own| own.listing)).await?;
        Ok(listings.into_iter().map(|listing| listing.listing).collect())
    }

    fn is_shared(&self) -> bool {
        self.requests.len() > 1
    }
}

impl RequestNames {
    fn has_name(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.names.iter().any(|wanted| wanted.as_str() == name))
    }
}

fn is_same_scope((provider, scope): &SearchScope, (other_provider, other_scope): &SearchScope) -> bool {
    provider.kind() == other_provider.kind() && scope == other_scope
}

/// Splits the names of requests into listings of a scope. The members of a group stay together: one filter finds them all.
fn share_listings<'a>(scope: &SearchScope, requests: impl IntoIterator<Item = &'a RequestNames>) -> Vec<SharedListing> {
    let mut groups_of_names: Vec<BTreeSet<InstanceName>> = Vec::new();
    let mut single_names = BTreeSet::new();
    for request in requests {
        match request.names.as_slice() {
            [name] => drop(single_names.insert(name.clone())),
            members => groups_of_names.push(members.iter().cloned().collect()),
        }
    }
    let single_names: Vec<_> = single_names.into_iter().collect();
    let chunks = single_names.chunks(NAMES_PER_LISTING);
    groups_of_names.extend(chunks.map(|names| names.iter().cloned().collect()));
    let share = |names: BTreeSet<InstanceName>| SharedListing {
        scope: scope.clone(),
        listing: list_names(scope.clone(), &names),
        names,
    };
    groups_of_names.into_iter().map(share).collect()
}

fn list_names(
    (provider, scope): SearchScope,
    names: &BTreeSet<InstanceName>,
) -> Shared<BoxFuture<'static, Result<TimedListing>>> {
    let filter = ListFilter {
        names: names.iter().map(ToString::to_string).collect(),
        ..ListFilter::default()
    };
    let listing = async move {
        let began_at = Instant::now();
        let listing = list_names_in_scope(provider.as_ref(), &scope, &filter).await?;
        Ok(TimedListing {
            began_at,
            listing: Arc::new(listing),
        })
    };
    listing.boxed().shared()
}
