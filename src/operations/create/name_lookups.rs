//! Looks up the names of several requests together: each scope is listed once, for all names that may be in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all, try_join_all};

use super::find_existing::ExistingInstances;
use super::instances_by_name::{NameIndex, SearchScope, check_complete, list_names_in_scope};
use super::offers::CreateRequest;
use super::placement_search::PlacementRules;
use crate::cloud::{InstanceName, ListFilter, Listing, Result};

/// The names of all requests of one command, and the listings in which they are looked for.
pub(super) struct NameLookups {
    requests: Vec<Result<RequestNames>>,
    listings: Vec<ScopeListing>,
}

/// The names of one request, and everything that they are looked up in.
struct RequestNames {
    names: Vec<InstanceName>,
    scopes: Vec<SearchScope>,
}

/// The listing of one scope, which the first request that needs it starts.
struct ScopeListing {
    scope: SearchScope,
    listing: Shared<BoxFuture<'static, Result<Arc<Listing>>>>,
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
        let requests = join_all(plans).await;
        let mut listings: Vec<ScopeListing> = Vec::new();
        for scope in requests
            .iter()
            .flatten()
            .flat_map(|request: &RequestNames| &request.scopes)
        {
            if listings.iter().any(|known| is_same_scope(&known.scope, scope)) {
                continue;
            }
            let in_scope = |request: &&RequestNames| request.scopes.iter().any(|other| is_same_scope(other, scope));
            let requests_in_scope = requests.iter().flatten().filter(in_scope);
            let names: BTreeSet<_> = requests_in_scope.flat_map(|request| &request.names).collect();
            listings.push(ScopeListing {
                scope: scope.clone(),
                listing: list_names(scope.clone(), names.into_iter().map(ToString::to_string).collect()),
            });
        }
        Self { requests, listings }
    }

    /// Finds the instances that have the names of one request, also unmanaged ones: those take their names, too.
    ///
    /// # Errors
    /// Those of listing. Also if a scope did not answer in part: an instance may be there.
    pub(super) async fn find_existing(&self, request: usize) -> Result<ExistingInstances> {
        let Some(request) = self.requests.get(request) else {
            return Ok(ExistingInstances::default());
        };
        let RequestNames { names, scopes } = request.as_ref().map_err(Clone::clone)?;
        let of_request = |listing: &&ScopeListing| scopes.iter().any(|scope| is_same_scope(scope, &listing.scope));
        let listings = self.listings.iter().filter(of_request);
        let mut index = NameIndex::default();
        for listing in try_join_all(listings.map(|listing| listing.listing.clone())).await? {
            check_complete(&listing, names)?;
            let has_name = |name: &str| names.iter().any(|wanted| wanted.as_str() == name);
            let instances = listing.instances.iter();
            for instance in instances.filter(|instance| instance.name.as_deref().is_some_and(has_name)) {
                index.insert(instance.clone());
            }
        }
        Ok(ExistingInstances {
            search_scopes: scopes.clone(),
            index,
        })
    }
}

fn is_same_scope((provider, scope): &SearchScope, (other_provider, other_scope): &SearchScope) -> bool {
    provider.kind() == other_provider.kind() && scope == other_scope
}

fn list_names((provider, scope): SearchScope, names: Vec<String>) -> Shared<BoxFuture<'static, Result<Arc<Listing>>>> {
    let filter = ListFilter {
        names,
        ..ListFilter::default()
    };
    let listing = async move {
        list_names_in_scope(provider.as_ref(), &scope, &filter)
            .await
            .map(Arc::new)
    };
    listing.boxed().shared()
}
