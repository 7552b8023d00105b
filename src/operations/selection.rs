//! Which instances a command is about: named one by one, or all that match patterns, label selectors and filters.

use std::fmt;

use jiff::Timestamp;

use super::instance_costs::FILLED_IN_FIELDS;
use super::instance_filter::Filter;
use super::label_selector::{LabelSelector, check_satisfiable, two_readings_error};
use crate::cloud::{
    Error, ErrorKind, Instance, InstanceQuery, InstanceState, ListFilter, ProviderKind, QueriedName, Result,
    join_with_and, join_with_or,
};

/// The field that not every cloud lists.
const PROTECTED: &str = "protected";

/// Which instances a command is about. An instance is selected if it matches a query, or there is no query, and matches all
/// selectors and filters.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names, ids and patterns of names.
    pub queries: Vec<InstanceQuery>,
    /// Label selectors.
    pub selectors: Vec<LabelSelector>,
    /// Filters over fields.
    pub filters: Vec<Filter>,
    /// Whether only instances that cloudctl created are selected, unless a query is their name or id.
    pub only_managed: bool,
}

impl Selection {
    /// Whether it names each instance by name or id. Otherwise nobody knows before a listing how many it selects.
    pub fn names_each_instance(&self) -> bool {
        !self.queries.is_empty() && !self.queries.iter().any(InstanceQuery::is_glob)
    }

    /// Whether each query names its cloud, so that no other cloud has to be queried.
    pub fn names_each_cloud(&self) -> bool {
        !self.queries.is_empty() && self.queries.iter().all(|query| query.scope.is_some())
    }

    /// Whether a query names its cloud and region or zone.
    pub fn names_any_scope(&self) -> bool {
        self.queries.iter().any(|query| query.scope.is_some())
    }

    /// Whether a filter compares a field that the catalog fills in.
    pub fn needs_catalog(&self) -> bool {
        let is_compared = |field: &str| self.filters.iter().any(|filter| filter.uses_field(field));
        FILLED_IN_FIELDS.into_iter().any(is_compared)
    }

    /// The filter of a listing for these queries. Without queries it is for the selectors and filters alone.
    pub fn to_list_filter<'a>(&self, queries: impl IntoIterator<Item = &'a InstanceQuery>) -> ListFilter {
        let (mut names, mut has_query) = (Vec::new(), false);
        for query in queries {
            has_query = true;
            match &query.name {
                QueriedName::NameOrId(text) => names.push(text.clone()),
                // No cloud finds names by a pattern.
                QueriedName::Glob(_) => return ListFilter::default(),
            }
        }
        ListFilter {
            ids: names.clone(),
            names,
            // An instance that is named is listed also if cloudctl did not create it, to say so.
            managed: self.only_managed && !has_query,
        }
    }

    /// The same conditions with other queries.
    pub(super) fn with_queries(&self, queries: Vec<InstanceQuery>) -> Self {
        Self {
            queries,
            selectors: self.selectors.clone(),
            filters: self.filters.clone(),
            only_managed: self.only_managed,
        }
    }

    /// Whether a query of this selection means the instance. A pattern means only what may be selected without being named.
    pub(super) fn query_selects(&self, query: &InstanceQuery, instance: &Instance) -> bool {
        let may_be_selected = !query.is_glob() || instance.managed || !self.only_managed;
        may_be_selected && query.matches(instance)
    }

    /// The texts of the selectors and filters.
    fn conditions(&self) -> Vec<String> {
        let selectors = self.selectors.iter().map(ToString::to_string);
        selectors.chain(self.filters.iter().map(ToString::to_string)).collect()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.queries.is_empty() {
            true => write!(formatter, "VMs with {}", join_with_and(self.conditions())),
            false => formatter.write_str(&join_with_and(&self.queries)),
        }
    }
}

/// Checks instances one by one against a selection, and counts what is needed to explain an empty result.
#[derive(Debug)]
pub struct SelectionMatcher<'a> {
    selection: &'a Selection,
    now: Timestamp,
    /// For each query, whether it matched an instance.
    matched_queries: Vec<bool>,
    /// For each selector, how many instances that are alive it matched, whatever the other selectors and filters say.
    selector_counts: Vec<usize>,
    /// Whether an instance that is not terminated matched all selectors.
    selectors_matched_together: bool,
    /// Whether only another reading of a selector matches an instance.
    is_ambiguous: bool,
    /// Whether a filter compares the protection.
    compares_protection: bool,
    /// A cloud that does not list which of its instances are protected, although a filter compares it.
    cloud_without_protection: Option<ProviderKind>,
}

impl<'a> SelectionMatcher<'a> {
    /// Creates a matcher that computes ages at `now`.
    ///
    /// # Errors
    /// `InvalidSpec` if no instance can have labels that match all selectors.
    pub fn new(selection: &'a Selection, now: Timestamp) -> Result<Self> {
        check_satisfiable(&selection.selectors)?;
        Ok(Self {
            selection,
            now,
            matched_queries: vec![false; selection.queries.len()],
            selector_counts: vec![0; selection.selectors.len()],
            selectors_matched_together: false,
            is_ambiguous: false,
            compares_protection: selection.filters.iter().any(|filter| filter.uses_field(PROTECTED)),
            cloud_without_protection: None,
        })
    }

    /// Whether the instance is selected. Call it once for each instance: it also counts them.
    pub fn matches(&mut self, instance: &Instance) -> bool {
        if !self.matches_queries(instance) {
            return false;
        }
        let matches_selectors = self.matches_selectors(instance);
        if matches_selectors && self.lacks_protection(instance) {
            self.cloud_without_protection = Some(instance.provider);
        }
        let mut filters = self.selection.filters.iter();
        if !filters.all(|filter| filter.matches(instance, self.now)) {
            return false;
        }
        // A cloud soon stops listing a terminated instance, so it must not decide this.
        if !matches_selectors && instance.state != InstanceState::Terminated {
            let mut selectors = self.selection.selectors.iter();
            if selectors.all(|selector| selector.matches(instance) || selector.matches_other_reading(instance)) {
                self.is_ambiguous = true;
            }
        }
        matches_selectors
    }

    /// Whether only the protection decides if the filters match, and the cloud does not list it.
    fn lacks_protection(&self, instance: &Instance) -> bool {
        let filters = &self.selection.filters;
        self.compares_protection
            && instance.protected.is_none()
            && !instance.state.is_gone()
            && filters
                .iter()
                .all(|filter| filter.matches_apart_from(PROTECTED, instance, self.now))
    }

    fn matches_queries(&mut self, instance: &Instance) -> bool {
        let selection = self.selection;
        if selection.queries.is_empty() {
            return instance.managed || !selection.only_managed;
        }
        let mut matches_any = false;
        for (query, is_matched) in selection.queries.iter().zip(&mut self.matched_queries) {
            if selection.query_selects(query, instance) {
                matches_any = true;
                *is_matched = true;
            }
        }
        matches_any
    }

    fn matches_selectors(&mut self, instance: &Instance) -> bool {
        let mut matches_all = true;
        for (selector, count) in self.selection.selectors.iter().zip(&mut self.selector_counts) {
            if !selector.matches(instance) {
                matches_all = false;
            } else if !instance.state.is_gone() {
                *count += 1;
            }
        }
        self.selectors_matched_together |= matches_all && instance.state != InstanceState::Terminated;
        matches_all
    }

    /// The selection that instances are checked against.
    pub(super) fn selection(&self) -> &'a Selection {
        self.selection
    }

    /// The queries by name or id that matched no instance so far.
    pub fn unmatched_names(&self) -> Vec<&'a InstanceQuery> {
        let queries = self.selection.queries.iter().zip(&self.matched_queries);
        let unmatched = queries.filter(|(query, is_matched)| !**is_matched && !query.is_glob());
        unmatched.map(|(query, _)| query).collect()
    }

    /// Checks, after all instances, that none was left out because its selector can be read in two ways, or because its
    /// cloud does not list what a filter compares.
    ///
    /// # Errors
    /// `InvalidSpec`, with both readings or the field.
    pub fn check_certain(&self) -> Result<()> {
        if let Some(provider) = self.cloud_without_protection {
            let message = format!("{provider} does not list which VMs are protected, so --filter cannot compare it");
            return Err(Error::invalid(message).with_hint("see it with `cloudctl describe NAME`"));
        }
        if !self.is_ambiguous {
            return Ok(());
        }
        match two_readings_error(&self.selection.selectors) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// What was looked for, after all instances.
    pub fn into_outcome(self) -> MatchOutcome {
        let texts = self.selection.selectors.iter().map(ToString::to_string);
        MatchOutcome {
            queries: self.selection.queries.iter().map(ToString::to_string).collect(),
            conditions: self.selection.conditions(),
            only_managed: self.selection.only_managed,
            selectors: texts.zip(self.selector_counts).collect(),
            selectors_matched_together: self.selectors_matched_together,
        }
    }
}

/// What was looked for, to explain a selection that is empty.
#[derive(Clone, Debug, Default)]
pub struct MatchOutcome {
    queries: Vec<String>,
    /// The selectors and filters.
    conditions: Vec<String>,
    only_managed: bool,
    /// Each selector, and how many instances that are alive it matches, whatever the others say.
    selectors: Vec<(String, usize)>,
    selectors_matched_together: bool,
}

impl MatchOutcome {
    /// Adds what was looked for in another listing for the same selectors and filters.
    pub fn merge(&mut self, other: Self) {
        self.queries.extend(other.queries);
        self.conditions = other.conditions;
        self.only_managed = other.only_managed;
        self.selectors_matched_together |= other.selectors_matched_together;
        if self.selectors.is_empty() {
            self.selectors = other.selectors;
            return;
        }
        for ((_, count), (_, more)) in self.selectors.iter_mut().zip(other.selectors) {
            *count += more;
        }
    }

    /// Says that no instance is selected: `no VM has both team=blue and role=worker: 3 have team=blue, 4 have role=worker`.
    pub fn describe_empty(&self) -> String {
        let made_by_cloudctl = match self.only_managed {
            true => " created by cloudctl",
            false => "",
        };
        let conditions = match self.conditions.as_slice() {
            [] => None,
            [one] => Some(format!("has {one}")),
            [one, other] => Some(format!("has both {one} and {other}")),
            several => Some(format!("has all of {}", join_with_and(several))),
        };
        let queries = join_with_or(&self.queries);
        let empty = match (self.queries.is_empty(), conditions) {
            (true, None) => format!("no VMs{made_by_cloudctl}"),
            (true, Some(conditions)) => format!("no VM{made_by_cloudctl} {conditions}"),
            (false, None) => format!("no VM{made_by_cloudctl} is called {queries}"),
            (false, Some(conditions)) => format!("no VM{made_by_cloudctl} called {queries} {conditions}"),
        };
        match self.describe_counts() {
            Some(counts) => format!("{empty}: {counts}"),
            None => empty,
        }
    }

    /// How many instances match each of several selectors; `None` if that explains nothing.
    fn describe_counts(&self) -> Option<String> {
        let matches_any = self.selectors.iter().any(|(_, count)| *count > 0);
        if self.selectors.len() < 2 || self.selectors_matched_together || !matches_any {
            return None;
        }
        let counts = self.selectors.iter().map(|(selector, count)| match count {
            0 => format!("none has {selector}"),
            1 => format!("1 has {selector}"),
            several => format!("{several} have {selector}"),
        });
        Some(counts.collect::<Vec<_>>().join(", "))
    }

    /// Refuses a change where each of several selectors matches instances, and all together match none: the user may have
    /// meant the instances of each.
    ///
    /// # Errors
    /// `Refused`, with the count of each.
    pub(super) fn check_selectors_overlap(&self) -> Result<()> {
        let each_matches = self.selectors.iter().all(|(_, count)| *count > 0);
        if self.selectors.len() < 2 || self.selectors_matched_together || !each_matches {
            return Ok(());
        }
        let message = format!("{}; nothing was changed", self.describe_empty());
        let hint = "to change the VMs of each selector, run the command once for each -l; if it is fine that none matches, \
                    join them: -l 'a=1,b=2'";
        Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
    }
}
