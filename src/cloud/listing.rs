//! A listing: what it is about, its pages as they come, and what they come to.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{Gap, Instance, ListScope};

/// Which instances a listing is about. An empty filter admits all. Drivers push down to the cloud what it can do of it;
/// [`InstanceSink`] does the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// With `names`: only instances that have one of these ids or one of those names.
    pub ids: Vec<String>,
    /// See `ids`.
    pub names: Vec<String>,
    /// Only what cloudctl made.
    pub managed: bool,
}

impl ListFilter {
    /// What cloudctl made under this name.
    pub fn managed_name(name: &str) -> Self {
        Self {
            names: vec![name.to_owned()],
            managed: true,
            ..Self::default()
        }
    }
}

/// The answer to a listing of one location.
#[derive(Debug, Default)]
pub struct Listing {
    /// What was found, from every page, in the order of the references.
    pub instances: Vec<Instance>,
    /// The parts of the scope that did not answer. With one, the listing is incomplete.
    pub gaps: Vec<Gap>,
}

/// Where a driver puts the pages of a listing as it reads them. What belongs to the listing is handed on at once and
/// not kept: each instance a single time, however often a listing that begins anew, or asks in several ways, meets it.
pub struct InstanceSink<'a> {
    /// What the listing covers.
    pub scope: &'a ListScope,
    /// What it is about.
    pub filter: &'a ListFilter,
    ids: HashSet<&'a str>,
    names: HashSet<&'a str>,
    intake: Mutex<SinkState<'a>>,
}

struct SinkState<'a> {
    seen: HashSet<Box<str>>,
    hand_on: &'a mut (dyn FnMut(Vec<Instance>) + Send),
}

impl<'a> InstanceSink<'a> {
    /// The pages of a listing of `location`. `hand_on` is given what is admitted of each page, nothing of some.
    pub fn new(
        location: &'a ListScope,
        filter: &'a ListFilter,
        hand_on: &'a mut (dyn FnMut(Vec<Instance>) + Send),
    ) -> Self {
        let intake = SinkState {
            seen: HashSet::new(),
            hand_on,
        };
        Self {
            scope: location,
            filter,
            ids: filter.ids.iter().map(String::as_str).collect(),
            names: filter.names.iter().map(String::as_str).collect(),
            intake: Mutex::new(intake),
        }
    }

    /// Whether an instance is what the listing is about. A driver asks where finding out more has a cost.
    pub fn accepts(&self, instance: &Instance) -> bool {
        let anyone = self.ids.is_empty() && self.names.is_empty();
        let named = || {
            instance
                .name
                .as_ref()
                .is_some_and(|name| self.names.contains(name.as_str()))
        };
        (anyone || self.ids.contains(instance.reference.id.as_str()) || named())
            && (instance.managed || !self.filter.managed)
            && self.scope.contains(&instance.region, instance.zone.as_deref())
    }

    /// Takes in a page, and hands on what of it is wanted and was on no page before.
    pub fn push_page(&self, mut page: Vec<Instance>) {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        // An id is given to one instance in all of a location.
        page.retain(|instance| self.accepts(instance) && intake.seen.insert(instance.reference.id.as_str().into()));
        (intake.hand_on)(page);
    }
}

impl fmt::Debug for InstanceSink<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pages")
            .field("location", self.scope)
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
    fn each_instance_of_the_listing_is_handed_on_once() {
        let mut handed_on = Vec::new();
        let mut gather = |page: Vec<Instance>| {
            let ids: Vec<_> = page.into_iter().map(|instance| instance.reference.id).collect();
            handed_on.push(ids.join(" "));
        };
        let (location, filter) = (
            ListScope::Region("here".to_owned()),
            ListFilter {
                managed: true,
                ..ListFilter::default()
            },
        );
        let pages = InstanceSink::new(&location, &filter, &mut gather);
        pages.push_page(vec![instance("here", "1", true), instance("there", "2", true)]);
        pages.push_page(vec![instance("here", "3", false)]);
        // The listing began anew.
        pages.push_page(vec![instance("here", "1", true), instance("here", "4", true)]);
        drop(pages);
        assert_eq!(handed_on, ["1", "", "4"]);
    }
}
