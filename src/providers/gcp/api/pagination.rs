//! Following page tokens to the end. Only Compute Engine: the EC2 SDK has paginators that do this.

use std::collections::HashSet;
use std::future::Future;

use super::error::location;
use super::warning::Listed;
use crate::cloud::{Error, ErrorKind, Result};

/// How often a page without rows may bring a token that was there before: the cloud is still looking.
const MOST_IDLE: u32 = 10;

/// What a page was.
pub(crate) struct Page {
    next: Option<String>,
    rows: usize,
}

impl Page {
    /// A page of so many rows, with this token of the next one; an empty token is none.
    pub(crate) fn of(rows: usize, token: Option<String>) -> Self {
        Self {
            next: token.filter(|token| !token.is_empty()),
            rows,
        }
    }

    /// What one of Compute Engine's lists of a place is a page of.
    ///
    /// # Errors
    /// `Network` if something is missing from it: it would be taken for absent.
    pub(crate) fn whole(list: &impl Listed, place: &str) -> Result<Self> {
        match list.lack() {
            None => Ok(Self::of(list.rows(), list.token())),
            Some(code) => Err(Error::new(
                ErrorKind::Network,
                format!("Compute Engine gave a part of a list only ({code})"),
            )
            .with_code(code)
            .at(location(place))),
        }
    }
}

/// Fetches every page and takes each in at once, so that a page is the most that is held of the API's own types.
///
/// # Errors
/// Those of a fetch; `Network` if a token comes a second time, which would never end. A token that is refused in the
/// middle has expired: the listing starts again, once, from nothing.
pub(crate) async fn all_pages<P, A, F>(
    fetch: impl Fn(Option<String>) -> F,
    take_in: impl Fn(&mut A, P) -> Result<Page>,
) -> Result<A>
where
    A: Default,
    F: Future<Output = Result<P>>,
{
    let (mut all, mut token, mut restarted) = (A::default(), None, false);
    let (mut seen, mut idle) = (HashSet::new(), 0);
    loop {
        let page = match fetch(token.clone()).await {
            Ok(page) => page,
            Err(error) if token.is_some() && !restarted && is_token_refusal(&error) => {
                (all, token, restarted) = (A::default(), None, true);
                seen.clear();
                continue;
            }
            Err(error) => return Err(error),
        };
        let page = take_in(&mut all, page)?;
        let Some(next) = page.next else { return Ok(all) };
        if !seen.insert(next.clone()) {
            idle += 1;
            if page.rows > 0 || idle > MOST_IDLE {
                let message = "the listing never ends: the cloud gave a page token a second time";
                return Err(Error::new(ErrorKind::Network, message).at("gcp"));
            }
        }
        token = Some(next);
    }
}

/// The first page was granted with the same parameters, so that the token alone can be at fault.
fn is_token_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidSpec | ErrorKind::NotFound | ErrorKind::Refused
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Item 0 is none.
    async fn run(answers: Vec<Result<(u8, &'static str)>>) -> Result<Vec<u8>> {
        let answers = RefCell::new(answers.into_iter());
        let fetch = |_| {
            let answer = answers.borrow_mut().next().unwrap();
            async move { answer }
        };
        all_pages(fetch, |all: &mut Vec<u8>, (item, token): (u8, &str)| {
            all.extend(std::iter::once(item).filter(|item| *item > 0));
            Ok(Page::of(usize::from(item > 0), Some(token.to_owned())))
        })
        .await
    }

    #[tokio::test]
    async fn pages_are_followed_to_the_end() {
        assert_eq!(
            run(vec![Ok((1, "a")), Ok((2, "b")), Ok((3, ""))]).await.unwrap(),
            [1, 2, 3]
        );
    }

    #[tokio::test]
    async fn a_repeated_token_is_an_error() {
        let error = run(vec![Ok((1, "a")), Ok((2, "b")), Ok((3, "a"))]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
    }

    #[tokio::test]
    async fn empty_pages_are_sat_out_but_not_for_ever() {
        let idle = |times: usize| (0..times).map(|_| Ok((0, "a")));
        assert_eq!(run(idle(5).chain([Ok((1, ""))]).collect()).await.unwrap(), [1]);
        assert!(run(idle(20).collect()).await.is_err());
    }

    #[tokio::test]
    async fn an_expired_token_starts_again_once() {
        let expired = || Err(Error::invalid("expired"));
        let restarted = vec![Ok((1, "a")), expired(), Ok((1, "c")), Ok((2, ""))];
        assert_eq!(run(restarted).await.unwrap(), [1, 2]);
        let again = vec![Ok((1, "a")), expired(), Ok((1, "c")), expired()];
        assert!(run(again).await.is_err());
        assert!(run(vec![expired()]).await.is_err());
    }
}
