//! `Filter.N`: values of one filter are alternatives, filters add up, `*` and `?` are wildcards.

use super::errors::{Answer, Refusal};
use super::query_protocol::Node;

/// Something that a Describe action lists.
pub trait Filterable {
    /// The filters it answers to, besides `tag:KEY`, `tag-key` and `tag-value`.
    const NAMES: &'static [&'static str];

    /// The values that a filter of [`Filterable::NAMES`] looks at; often one.
    fn field(&self, name: &str) -> Vec<String>;

    /// Its tags, as far as they can be seen by now.
    fn tags(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }
}

/// The filters of one request, checked.
pub struct Filters(Vec<(String, Vec<Value>)>);

/// A value of a filter.
struct Value {
    text: String,
    /// Whether it has to be read as a pattern: 200 plain ones must not take that long for each of 1,000 instances.
    is_pattern: bool,
}

impl Filters {
    pub fn of<T: Filterable>(query: &Node) -> Answer<Self> {
        let mut filters = Vec::new();
        for node in query.list("Filter") {
            let name = node
                .get("Name")
                .ok_or_else(|| Refusal::value("The filter 'null' is invalid"))?;
            let tag = name == "tag-key" || name == "tag-value" || name.starts_with("tag:");
            if !tag && !T::NAMES.contains(&name) {
                return Err(Refusal::value(format!("The filter '{name}' is invalid")));
            }
            let values: Vec<String> = node.values("Value").into_iter().map(str::to_owned).collect();
            if values.is_empty() {
                return Err(Refusal::missing("Filter.Value"));
            }
            if values.len() > 200 {
                return Err(Refusal::new(
                    "FilterLimitExceeded",
                    "The maximum number of filter values specified on a single call is 200",
                ));
            }
            let values = values.into_iter().map(|text| Value {
                is_pattern: text.contains(['*', '?', '\\']),
                text,
            });
            filters.push((name.to_owned(), values.collect()));
        }
        Ok(Self(filters))
    }

    pub fn accept<T: Filterable>(&self, item: &T) -> bool {
        self.0.iter().all(|(name, patterns)| {
            let fits = |pattern: &Value, value: &str| {
                if pattern.is_pattern {
                    matches(&pattern.text, value)
                } else {
                    pattern.text == value
                }
            };
            let any = |value: &str| patterns.iter().any(|pattern| fits(pattern, value));
            if let Some(key) = name.strip_prefix("tag:") {
                return item.tags().into_iter().any(|(tag, value)| tag == key && any(value));
            }
            match name.as_str() {
                "tag-key" => item.tags().into_iter().any(|(key, _)| any(key)),
                "tag-value" => item.tags().into_iter().any(|(_, value)| any(value)),
                name => item.field(name).iter().any(|value| any(value)),
            }
        })
    }
}

/// Whether a text fits a pattern with `*`, `?`, and `\` before a literal one of them.
pub fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    let pattern: Vec<(char, bool)> = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut position) = (0, 0);
    // Where the last star stood, and how far it has swallowed; there is no need to go back further.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(('*', true)) => {
                star = Some((at, position));
                at += 1;
            }
            Some((letter, wild)) if (*wild && *letter == '?') || (*letter == text[position]) => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((before, swallowed)) = star else {
                    return false;
                };
                star = Some((before, swallowed + 1));
                at = before + 1;
                position = swallowed + 1;
            }
        }
    }
    pattern[at..].iter().all(|token| *token == ('*', true))
}

/// The characters of a pattern, and whether each is wild.
fn tokens(pattern: &str) -> Vec<(char, bool)> {
    let mut tokens = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => tokens.push((letters.next().unwrap_or('\\'), false)),
            '*' | '?' => tokens.push((letter, true)),
            other => tokens.push((other, false)),
        }
    }
    tokens
}
