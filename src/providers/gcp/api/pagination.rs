//! Page tokens, and warnings that a list is incomplete. EC2 returns a whole list or an error.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;

use google_cloud_compute_v1::model::{
    Disk, DiskList, Firewall, FirewallList, Instance, InstanceAggregatedList, InstanceList, MachineType,
    MachineTypeList, Network, NetworkList, Operation, OperationList, Zone, ZoneList,
};

use super::error::error_location;
use super::resource_name::last_segment;
use crate::cloud::{Error, ErrorKind, ProviderKind, Result};

/// The most rows that the API returns in one page.
pub(crate) const PAGE_SIZE: u32 = 500;

/// How often a page without rows may repeat a token: the cloud is still searching.
const MAX_IDLE_PAGES: u32 = 10;

/// The number of rows of a page, and the token of the next one.
pub(crate) struct Page {
    next: Option<String>,
    rows: usize,
}

impl Page {
    /// Makes a page. An empty token counts as none.
    pub(crate) fn new(rows: usize, token: Option<String>) -> Self {
        Self {
            next: token.filter(|token| !token.is_empty()),
            rows,
        }
    }

    /// Says whether there are more rows than fit into the largest page.
    pub(crate) fn is_full_and_continues(&self) -> bool {
        self.next.is_some() && u32::try_from(self.rows).is_ok_and(|rows| rows >= PAGE_SIZE)
    }

    /// Makes the page of a list of one scope, which must be complete.
    ///
    /// # Errors
    /// `Network` if something is missing from the list: the caller would take it for absent.
    pub(crate) fn from_complete_list(list: &impl PartialList, scope: &str) -> Result<Self> {
        match list.incomplete_code() {
            None => Ok(Self::new(list.rows(), list.token())),
            Some(code) => Err(Error::new(
                ErrorKind::Network,
                format!("Compute Engine returned an incomplete list ({code})"),
            )
            .with_code(code)
            .at(error_location(scope))),
        }
    }
}

/// Fetches every page and adds it at once, so that one page at most is held in the API's types.
///
/// # Errors
/// Those of a fetch; `Network` if a token repeats, because such a listing never ends. A token that is refused in the
/// middle has expired: the listing restarts once from the beginning.
pub(crate) async fn collect_all<P, A, F>(
    fetch: impl Fn(Option<String>) -> F,
    add_page: impl Fn(&mut A, P) -> Result<Page>,
) -> Result<A>
where
    A: Default,
    F: Future<Output = Result<P>>,
{
    let first_page = fetch(None).await?;
    collect_from_first(first_page, fetch, add_page).await
}

/// As [`collect_all`], for a caller that has fetched the first page already.
pub(crate) async fn collect_from_first<P, A, F>(
    first_page: P,
    fetch: impl Fn(Option<String>) -> F,
    add_page: impl Fn(&mut A, P) -> Result<Page>,
) -> Result<A>
where
    A: Default,
    F: Future<Output = Result<P>>,
{
    let (mut all, mut fetched, mut restarted) = (A::default(), first_page, false);
    let (mut seen, mut idle) = (HashSet::new(), 0);
    loop {
        let page = add_page(&mut all, fetched)?;
        let Some(next) = page.next else { return Ok(all) };
        if !seen.insert(next.clone()) {
            idle += 1;
            if page.rows > 0 || idle > MAX_IDLE_PAGES {
                let message = "the list cannot be completed: the cloud returned the same page token twice";
                return Err(Error::new(ErrorKind::Network, message).at(ProviderKind::Gcp));
            }
        }
        fetched = match fetch(Some(next)).await {
            Err(error) if !restarted && is_token_refusal(&error) => {
                (all, restarted) = (A::default(), true);
                seen.clear();
                fetch(None).await?
            }
            answer => answer?,
        };
    }
}

/// Fetches every page of a list of one scope, which must be complete.
///
/// # Errors
/// As [`collect_all`]; `Network` if something is missing from the list.
pub(crate) async fn collect_complete_list<P: PartialList, F: Future<Output = Result<P>>>(
    fetch: impl Fn(Option<String>) -> F,
    scope: &str,
) -> Result<Vec<P::Item>> {
    collect_all(fetch, |all: &mut Vec<P::Item>, page: P| {
        let next = Page::from_complete_list(&page, scope)?;
        all.extend(page.into_items());
        Ok(next)
    })
    .await
}

/// Says whether the page token is refused. The first page had the same parameters, so only the token can be wrong.
fn is_token_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidSpec | ErrorKind::NotFound | ErrorKind::Refused
    )
}

/// Returns the code of the warning that a list, or one scope of it, is incomplete.
macro_rules! incomplete_code {
    ($part:expr) => {{
        let warning = $part.warning.as_ref();
        warning.and_then(|warning| {
            $crate::providers::gcp::api::pagination::missing_items_code(
                warning.code.as_ref().and_then(|code| code.name()),
            )
        })
    }};
}

/// Returns a warning's code if it means that something is missing. Every code does, also an unknown one, except that of
/// an empty page.
pub(crate) fn missing_items_code(code: Option<&str>) -> Option<String> {
    let code = code.unwrap_or("UNKNOWN");
    (code != "NO_RESULTS_ON_PAGE").then(|| code.to_owned())
}

/// A page of a list of one scope.
pub(crate) trait PartialList {
    /// A row of the list.
    type Item;

    /// Returns the rows.
    fn into_items(self) -> Vec<Self::Item>;

    /// Returns the number of rows.
    fn rows(&self) -> usize;

    /// Returns the token of the next page.
    fn token(&self) -> Option<String>;

    /// Returns the code of the warning that something is missing from the page.
    fn incomplete_code(&self) -> Option<String>;
}

macro_rules! impl_partial_list {
    ($($list:ty: $item:ty),*) => {$(
        impl PartialList for $list {
            type Item = $item;

            fn into_items(self) -> Vec<$item> {
                self.items
            }

            fn rows(&self) -> usize {
                self.items.len()
            }

            fn token(&self) -> Option<String> {
                self.next_page_token.clone()
            }

            fn incomplete_code(&self) -> Option<String> {
                incomplete_code!(self)
            }
        }
    )*};
}
impl_partial_list!(
    DiskList: Disk,
    FirewallList: Firewall,
    InstanceList: Instance,
    MachineTypeList: MachineType,
    NetworkList: Network,
    OperationList: Operation,
    ZoneList: Zone
);

/// The scopes, such as `us-central1-a`, that did not answer or not completely, each with the code of its warning.
pub(crate) type UnansweredZones = BTreeMap<String, String>;

/// Returns the scopes that did not answer, or not completely.
pub(crate) fn unanswered_in(page: &InstanceAggregatedList) -> UnansweredZones {
    let unreachable = page.unreachables.iter().map(|scope| (scope, "UNREACHABLE".to_owned()));
    let warned = page
        .items
        .iter()
        .filter_map(|(scope, page)| Some((scope, incomplete_code!(page)?)));
    let scopes = unreachable.chain(warned);
    let mut unanswered: UnansweredZones = scopes
        .map(|(scope, code)| (last_segment(scope).to_owned(), code))
        .collect();
    if unanswered.is_empty()
        && let Some(code) = incomplete_code!(page)
    {
        // The answer does not name the missing scope.
        unanswered.insert("a part of the project".to_owned(), code);
    }
    unanswered
}

#[cfg(test)]
mod tests {
    use super::*;
    use google_cloud_compute_v1::model::instance_list::Warning;
    use std::cell::RefCell;

    /// Collects fake pages. Item 0 means a page without rows.
    async fn run(answers: Vec<Result<(u8, &'static str)>>) -> Result<Vec<u8>> {
        let answers = RefCell::new(answers.into_iter());
        let fetch = |_| {
            let answer = answers.borrow_mut().next().unwrap();
            async move { answer }
        };
        collect_all(fetch, |all: &mut Vec<u8>, (item, token): (u8, &str)| {
            all.extend(std::iter::once(item).filter(|item| *item > 0));
            Ok(Page::new(usize::from(item > 0), Some(token.to_owned())))
        })
        .await
    }

    #[tokio::test]
    async fn all_pages_are_collected() {
        assert_eq!(
            run(vec![Ok((1, "a")), Ok((2, "b")), Ok((3, ""))]).await.unwrap(),
            [1, 2, 3]
        );
    }

    #[tokio::test]
    async fn repeated_token_is_an_error() {
        let error = run(vec![Ok((1, "a")), Ok((2, "b")), Ok((3, "a"))]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
    }

    #[tokio::test]
    async fn empty_pages_are_accepted_a_few_times() {
        let idle = |times: usize| (0..times).map(|_| Ok((0, "a")));
        assert_eq!(run(idle(5).chain([Ok((1, ""))]).collect()).await.unwrap(), [1]);
        assert!(run(idle(20).collect()).await.is_err());
    }

    #[tokio::test]
    async fn expired_token_restarts_the_listing_once() {
        let expired = || Err(Error::invalid("expired"));
        let restarted = vec![Ok((1, "a")), expired(), Ok((1, "c")), Ok((2, ""))];
        assert_eq!(run(restarted).await.unwrap(), [1, 2]);
        let again = vec![Ok((1, "a")), expired(), Ok((1, "c")), expired()];
        assert!(run(again).await.is_err());
        assert!(run(vec![expired()]).await.is_err());
    }

    #[test]
    fn every_warning_but_empty_page_means_incomplete() {
        let with = |warning| InstanceList::new().set_warning(warning).incomplete_code();
        for code in ["UNREACHABLE", "PARTIAL_SUCCESS", "SOMETHING_NEW"] {
            assert_eq!(with(Warning::new().set_code(code)).as_deref(), Some(code));
        }
        assert_eq!(with(Warning::new()).as_deref(), Some("UNKNOWN"));
        assert_eq!(with(Warning::new().set_code("NO_RESULTS_ON_PAGE")), None);
        assert_eq!(InstanceList::new().incomplete_code(), None);
    }
}
