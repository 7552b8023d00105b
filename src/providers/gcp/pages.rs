//! Following page tokens to the end. Only Compute Engine: the EC2 SDK has paginators that do this.

use std::collections::HashSet;
use std::future::Future;

use crate::cloud::{Error, ErrorKind, Result};

/// What comes after a page.
pub(super) struct Page {
    next: Option<String>,
}

impl Page {
    /// A page with this token of the next one; an empty token is none.
    pub(super) fn followed_by(token: Option<String>) -> Self {
        Self {
            next: token.filter(|token| !token.is_empty()),
        }
    }
}

/// Fetches every page and takes each in at once, so that a page is the most that is held of the API's own types.
///
/// # Errors
/// Those of a fetch; `Network` if a token comes a second time, which would never end. A token that is refused in the
/// middle has expired: the listing starts again, once, from nothing.
pub(super) async fn all_pages<P, A, F>(
    fetch: impl Fn(Option<String>) -> F,
    take_in: impl Fn(&mut A, P) -> Result<Page>,
) -> Result<A>
where
    A: Default,
    F: Future<Output = Result<P>>,
{
    let (mut all, mut token, mut seen, mut restarted) = (A::default(), None, HashSet::new(), false);
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
        token = take_in(&mut all, page)?.next;
        match &token {
            None => return Ok(all),
            Some(next) if !seen.insert(next.clone()) => {
                let message = "the listing never ends: the cloud gave a page token a second time";
                return Err(Error::new(ErrorKind::Network, message).at("gcp"));
            }
            Some(_) => {}
        }
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

    async fn run(answers: Vec<Result<(u8, &'static str)>>) -> Result<Vec<u8>> {
        let answers = RefCell::new(answers.into_iter());
        let fetch = |_| {
            let answer = answers.borrow_mut().next().unwrap();
            async move { answer }
        };
        all_pages(fetch, |all: &mut Vec<u8>, (item, token): (u8, &str)| {
            all.push(item);
            Ok(Page::followed_by(Some(token.to_owned())))
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
    async fn an_expired_token_starts_again_once() {
        let expired = || Err(Error::invalid("expired"));
        let restarted = vec![Ok((1, "a")), expired(), Ok((1, "c")), Ok((2, ""))];
        assert_eq!(run(restarted).await.unwrap(), [1, 2]);
        let again = vec![Ok((1, "a")), expired(), Ok((1, "c")), expired()];
        assert!(run(again).await.is_err());
        assert!(run(vec![expired()]).await.is_err());
    }
}
