//! `MaxResults` and `NextToken`.

use super::encoding::{base64, from_base64, hash};
use super::errors::{Answer, Refusal};
use super::state::Context;

/// Where one page begins, and how long it may get.
pub struct Page {
    after: u64,
    size: usize,
    mark: u64,
    /// The token of the request, to be handed out again where a test wants a cloud that loops.
    repeated: Option<String>,
    /// Whether this page shall stay empty although more follows.
    empty: bool,
}

/// The documented code for tokens that are wrong, or right but too old.
fn bad_token() -> Refusal {
    Refusal::new(
        "InvalidPaginationToken",
        "The specified pagination token is not valid or is expired",
    )
}

impl Page {
    /// `range` is what the action allows for MaxResults. Without MaxResults EC2 decides how long a page is;
    /// here that is the page size control.
    pub fn of(context: &mut Context, range: std::ops::RangeInclusive<i64>) -> Answer<Self> {
        let query = context.query;
        let cap = context.state.controls.page_size;
        let size = match query.integer("MaxResults") {
            None => cap,
            Some(size) if range.contains(&size) => cap.min(usize::try_from(size).unwrap_or(cap)),
            Some(size) => {
                return Err(Refusal::value(format!(
                    "Value ( {size} ) for parameter maxResults is invalid. Expecting a value between {} and {}.",
                    range.start(),
                    range.end()
                )));
            }
        };
        let mark = context.mark();
        let mut page = Self {
            after: 0,
            size,
            mark,
            repeated: None,
            empty: context.state.controls.empty_pages,
        };
        let token = query.get("NextToken").filter(|token| !token.is_empty());
        if let Some(token) = token {
            if context.state.controls.refuse_page_tokens > 0 {
                context.state.controls.refuse_page_tokens -= 1;
                return Err(bad_token());
            }
            let (of, after, empty) = read(token).ok_or_else(bad_token)?;
            if of != mark {
                return Err(bad_token());
            }
            page.after = after;
            page.empty &= !empty;
            if context.state.controls.repeat_page_token {
                page.repeated = Some(token.to_owned());
            }
        }
        Ok(page)
    }

    /// Takes what belongs on this page from items in ascending order of their positions (from 1), and says
    /// how to get the rest.
    pub fn cut<T>(&self, items: impl Iterator<Item = (u64, T)>) -> (Vec<T>, Option<String>) {
        let mut items = items.filter(|(position, _)| *position > self.after).peekable();
        if self.empty && items.peek().is_some() {
            return (Vec::new(), Some(self.token(self.after, true)));
        }
        let mut taken = Vec::new();
        let mut last = self.after;
        while taken.len() < self.size {
            let Some((position, item)) = items.next() else { break };
            last = position;
            taken.push(item);
        }
        let token = items.peek().map(|_| match &self.repeated {
            Some(token) => token.clone(),
            None => self.token(last, false),
        });
        (taken, token)
    }

    /// The position after which this page begins; items up to it need not be looked at.
    pub fn after(&self) -> u64 {
        self.after
    }

    fn token(&self, after: u64, empty: bool) -> String {
        base64(format!("{:016x}:{after}:{empty}", self.mark).as_bytes())
    }
}

fn read(token: &str) -> Option<(u64, u64, bool)> {
    let text = String::from_utf8(from_base64(token)?).ok()?;
    let mut parts = text.split(':');
    let mark = u64::from_str_radix(parts.next()?, 16).ok()?;
    let after = parts.next()?.parse().ok()?;
    let empty = parts.next()?.parse().ok()?;
    Some((mark, after, empty))
}

impl Context<'_> {
    /// What a token is tied to: the region, and every parameter that chooses what is listed.
    fn mark(&self) -> u64 {
        let chosen: Vec<_> = [
            "Filter",
            "Owner",
            "ImageId",
            "InstanceType",
            "LocationType",
            "VpcId",
            "ProductDescription",
            "AvailabilityZone",
        ]
        .iter()
        .map(|name| format!("{:?}", self.query.node(name)))
        .collect();
        hash((self.action, self.region, chosen, self.state.controls.page_epoch))
    }
}
