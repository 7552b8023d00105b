//! Lists: page sizes, tokens, filters, and the page faults that tests ask for.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::discovery_check::FieldKind;
use super::dispatch::Context;
use super::errors::ApiError;
use super::list_filter::{self, Filter};
use super::routing::Call;
use super::test_controls::Controls;

/// What a list call asks for.
pub struct Paging {
    size: usize,
    /// The key of the last row that earlier pages held; the empty key stands before all rows.
    pub after: Option<String>,
    filter: Option<Filter>,
    /// Ties a token to the query that it came from.
    query: u64,
}

/// One page: rows by scope (`zones/us-east1-b`; empty in a plain list), and the token of the next.
pub struct Page {
    pub rows: Vec<(String, Value)>,
    pub next: Option<String>,
}

const LARGEST: usize = 500;

impl Paging {
    /// `schema` names the resource listed, so that a filter on an unknown field is refused.
    pub fn of(call: &Call, context: &mut Context, schema: &str) -> Result<Self, ApiError> {
        let asked = match call.query.get("maxResults") {
            None => LARGEST,
            Some(text) => match text.parse::<usize>() {
                Ok(0) => LARGEST,
                Ok(size) if size <= LARGEST => size,
                _ => {
                    let why = "Must be between 0 and 500, inclusive.";
                    return Err(ApiError::invalid("maxResults", text, why));
                }
            },
        };
        let filter_text = call.query.get("filter");
        let filter = filter_text.map(Filter::parse).transpose()?;
        if let (Some(text), Some(filter), Some(discovery)) = (filter_text, &filter, context.discovery) {
            let filterable = |field: &String| {
                let kind = discovery.field(schema, field);
                matches!(kind, Some(FieldKind::Scalar | FieldKind::Map))
            };
            if !filter.fields().iter().all(filterable) {
                return Err(list_filter::refusal(text));
            }
        }
        let query = fingerprint(call, filter_text);
        let controls = &context.state.controls;
        let after =
            match call.query.get("pageToken") {
                None => None,
                Some(token) => Some(read_token(token, query, controls.page_epoch).ok_or_else(|| {
                    ApiError::invalid("pageToken", token, "The page token is not valid for this query.")
                })?),
            };
        Ok(Self {
            size: asked.min(controls.page_size_cap.unwrap_or(LARGEST)).max(1),
            after,
            filter,
            query,
        })
    }

    /// Fills a page from `rows`: each has a scope, a key that grows from row to row, and what renders it.
    pub fn fill<R: FnOnce() -> Value>(
        &self,
        controls: &mut Controls,
        rows: impl Iterator<Item = (String, String, R)>,
    ) -> Page {
        let epoch = controls.page_epoch;
        let token = |key: &str| Some(write_token(key, self.query, epoch));
        let start = self.after.clone().unwrap_or_default();
        if controls.empty_pages > 0 {
            controls.empty_pages -= 1;
            return Page {
                rows: Vec::new(),
                next: token(&start),
            };
        }
        let mut page = Page {
            rows: Vec::new(),
            next: None,
        };
        let mut last = String::new();
        for (scope, key, render) in rows.filter(|(_, key, _)| *key > start) {
            let row = render();
            if self.filter.as_ref().is_some_and(|filter| !filter.matches(&row)) {
                continue;
            }
            if page.rows.len() == self.size {
                page.next = token(&last);
                break;
            }
            page.rows.push((scope, row));
            last = key;
        }
        if controls.repeat_page_token {
            page.next = token(&start);
        }
        page
    }
}

/// The body of a plain list.
pub fn list(call: &Call, kind: &str, page: Page) -> Value {
    let items: Vec<Value> = page.rows.into_iter().map(|(_, row)| row).collect();
    let mut body = frame(call, kind, page.next);
    if !items.is_empty() {
        body["items"] = items.into();
    }
    body
}

/// The body of an aggregated list: every scope is named, the empty ones with a warning.
/// `scopes` are all there are; `unreachable` those that did not answer.
pub fn aggregated(
    call: &Call,
    kind: &str,
    collection: &str,
    page: Page,
    scopes: impl Iterator<Item = String>,
    unreachable: &[String],
) -> Value {
    let mut items: Map<String, Value> = scopes.map(|scope| (scope, Value::Null)).collect();
    let mut body = frame(call, kind, page.next);
    for (scope, row) in page.rows {
        let entry = items.entry(scope).or_insert(Value::Null);
        match entry.get_mut(collection).and_then(Value::as_array_mut) {
            Some(rows) => rows.push(row),
            None => *entry = json!({ collection: [row] }),
        }
    }
    for (scope, entry) in &mut items {
        if unreachable.iter().any(|zone| *scope == format!("zones/{zone}")) {
            *entry = warning("UNREACHABLE", &format!("The scope '{scope}' is unreachable."), scope);
        } else if entry.is_null() {
            let message = format!("There are no results for scope '{scope}' on this page.");
            *entry = warning("NO_RESULTS_ON_PAGE", &message, scope);
        }
    }
    body["items"] = items.into();
    if !unreachable.is_empty() {
        let name = |zone: &String| format!("projects/{}/zones/{zone}", call.project());
        body["unreachables"] = unreachable.iter().map(name).collect();
    }
    body
}

fn frame(call: &Call, kind: &str, next: Option<String>) -> Value {
    let resource = call.resource();
    let mut body = json!({
        "kind": kind,
        "id": resource,
        "selfLink": super::link(&resource),
    });
    if let Some(next) = next {
        body["nextPageToken"] = next.into();
    }
    body
}

fn warning(code: &str, message: &str, scope: &str) -> Value {
    json!({"warning": {
        "code": code,
        "message": message,
        "data": [{"key": "scope", "value": scope}],
    }})
}

fn fingerprint(call: &Call, filter: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (call.resource(), filter, call.query.get("orderBy")).hash(&mut hasher);
    hasher.finish()
}

/// A token is opaque to clients: the hexadecimal digits of what is needed to go on.
fn write_token(key: &str, query: u64, epoch: u64) -> String {
    let plain = format!("{epoch}/{query}/{key}");
    plain.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_token(token: &str, query: u64, epoch: u64) -> Option<String> {
    let digits = token.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let plain = String::from_utf8(bytes?).ok()?;
    plain.strip_prefix(&format!("{epoch}/{query}/")).map(str::to_owned)
}
