//! Listings: the filter, the sink that takes pages as a driver reads them, and the result.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{Gap, Instance, ListScope};

/// The instances that a listing is about. An empty filter accepts all. A driver sends the cloud what it can filter;
/// [`InstanceSink`] does the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// With `names`: only instances that have one of these ids or one of those names.
    pub ids: Vec<String>,
    /// See `ids`.
    pub names: Vec<String>,
    /// Only instances that cloudctl created.
    pub managed: bool,
}

impl ListFilter {
    /// Accepts instances that cloudctl created under this name.
    pub fn managed_name(name: &str) -> Self {
        Self {
            names: vec![name.to_owned()],
            managed: true,
            ..Self::default()
        }
    }
}

/// The complete result of listing one scope.
#[derive(Debug, Default)]
pub struct Listing {
    /// The instances of every page, ordered by reference.
    pub instances: Vec<Instance>,
    /// The parts of the scope that did not answer. With one, the listing is incomplete.
    pub gaps: Vec<Gap>,
}

/// Takes the pages of a listing as a driver reads them. It forwards each accepted instance at once and does not keep it. An
/// instance that comes again, because the listing starts again or asks in several ways, is forwarded only once.
pub struct InstanceSink<'a> {
    /// The scope of the listing.
    pub scope: &'a ListScope,
    /// The filter of the listing.
    pub filter: &'a ListFilter,
    ids: HashSet<&'a str>,
    names: HashSet<&'a str>,
    state: Mutex<SinkState<'a>>,
}

struct SinkState<'a> {
    seen_ids: HashSet<Box<str>>,
    forward: &'a mut (dyn FnMut(Vec<Instance>) + Send),
}

impl<'a> InstanceSink<'a> {
    /// Creates the sink of a listing. `forward` gets the accepted instances of each page, which may be none.
    pub fn new(
        scope: &'a ListScope,
        filter: &'a ListFilter,
        forward: &'a mut (dyn FnMut(Vec<Instance>) + Send),
    ) -> Self {
        let state = SinkState {
            seen_ids: HashSet::new(),
            forward,
        };
        Self {
            scope,
            filter,
            ids: filter.ids.iter().map(String::as_str).collect(),
            names: filter.names.iter().map(String::as_str).collect(),
            state: Mutex::new(state),
        }
    }

    /// Whether an instance belongs to the listing. A driver asks before it sends further calls about an instance.
    pub fn accepts(&self, instance: &Instance) -> bool {
        let accepts_any = self.ids.is_empty() && self.names.is_empty();
        let has_name = || {
            instance
                .name
                .as_ref()
                .is_some_and(|name| self.names.contains(name.as_str()))
        };
        (accepts_any || self.ids.contains(instance.reference.id.as_str()) || has_name())
            && (instance.managed || !self.filter.managed)
            && self.scope.contains(&instance.region, instance.zone.as_deref())
    }

    /// Takes a page, and forwards its accepted instances that were on no page before.
    pub fn push_page(&self, mut page: Vec<Instance>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // An id is unique in a scope.
        page.retain(|instance| self.accepts(instance) && state.seen_ids.insert(instance.reference.id.as_str().into()));
        (state.forward)(page);
    }
}

impl fmt::Debug for InstanceSink<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InstanceSink")
            .field("scope", self.scope)
            .field("filter", self.filter)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ProviderKind;

    fn instance(region: &str, id: &str, managed: bool) -> Instance {
        Instance {
            managed,
            ..Instance::with_id_only(ProviderKind::Mock, region.to_owned(), id.to_owned())
        }
    }

    #[test]
    fn sink_forwards_each_accepted_instance_once() {
        let mut forwarded = Vec::new();
        let mut forward = |page: Vec<Instance>| {
            let ids: Vec<_> = page.into_iter().map(|instance| instance.reference.id).collect();
            forwarded.push(ids.join(" "));
        };
        let scope = ListScope::Region("here".to_owned());
        let filter = ListFilter {
            managed: true,
            ..ListFilter::default()
        };
        let sink = InstanceSink::new(&scope, &filter, &mut forward);
        sink.push_page(vec![instance("here", "1", true), instance("there", "2", true)]);
        sink.push_page(vec![instance("here", "3", false)]);
        // The listing started again.
        sink.push_page(vec![instance("here", "1", true), instance("here", "4", true)]);
        drop(sink);
        assert_eq!(forwarded, ["1", "", "4"]);
    }
}
