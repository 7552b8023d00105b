//! How labels are written: as `key=value` for a new instance, and as requirements that select by them. One grammar for
//! both: what is taken as a label selects that label.
//!
//! A key or a value may stand in double quotes, with `\"` and `\\` inside. Quotes count only at its beginning. A value
//! without quotes goes on over commas until something follows that can only be another requirement.

use std::collections::BTreeSet;

use super::{Error, RESERVED_PREFIX, Result, check_label_key, may_be_secret, quoted};

/// One condition of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label is there and has one of these values.
    In(String, BTreeSet<String>),
    /// The label is not there, or has none of these values.
    NotIn(String, BTreeSet<String>),
    /// The label is there, with any value.
    Has(String),
    /// The label is not there.
    HasNot(String),
    /// `Roles=app,web`: the label has the whole text for its value. It could also mean the shorter value, and that the
    /// labels behind the commas are there.
    Whole {
        /// The label's key.
        key: String,
        /// The whole text.
        value: String,
        /// The text before the first comma.
        first: String,
        /// What stands behind the commas, each of which can be a key.
        others: Vec<String>,
    },
}

impl Requirement {
    /// The key that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Has(key) | Self::HasNot(key) | Self::Whole { key, .. } => {
                key
            }
        }
    }

    /// The key and the only value that it can have.
    fn as_label(&self) -> Option<(&str, &str)> {
        match self {
            Self::In(key, values) if values.len() == 1 => Some((key, values.first()?)),
            Self::Whole { key, value, .. } => Some((key, value)),
            _ => None,
        }
    }
}

/// A label as it was typed for a new instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedLabel {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether quotes were taken off.
    pub was_quoted: bool,
}

/// Reads `key=value` for a new instance. The same text as a selector means that label and nothing else.
///
/// # Errors
/// `InvalidSpec` where it is no label, or could be read in two ways; the remedy spells both.
pub fn parse_label(text: &str) -> Result<TypedLabel> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(Error::invalid(format!("invalid label {}", quoted(text))).with_hint("write it as key=value"));
    };
    check_label_key(key)?;
    let requirements = parse_requirements(text);
    let read = match requirements.as_deref() {
        Ok([one]) => one.as_label(),
        _ => None,
    };
    let typed = |key: &str, value: &str, was_quoted| TypedLabel {
        key: key.to_owned(),
        value: value.to_owned(),
        was_quoted,
    };
    match read {
        Some((same_key, same_value)) if same_key == key && same_value == value => Ok(typed(key, value, false)),
        // Quotes that change nothing could be meant as a part of the label.
        Some((key, value)) if format_label(key, value) == text => {
            check_label_key(key).map(|()| typed(key, value, true))
        }
        _ => {
            let error = Error::invalid(format!("the label {} can be read in two ways", quoted(text)));
            Err(error.with_hint(two_spellings(text, &requirements, (key, value))))
        }
    }
}

/// Reads the requirements of a selector, all of which must hold: `env=ci,team!=web,gpu,!temporary,stage in (a,b)`.
///
/// # Errors
/// `InvalidSpec` where it is no selector, could be read in two ways, or is about a label of cloudctl's own.
pub fn parse_requirements(text: &str) -> Result<Vec<Requirement>> {
    let mut requirements = Vec::new();
    let mut rest = text;
    loop {
        let (requirement, behind) = requirement(rest).map_err(|fault| explain(fault, text))?;
        check_selectable(requirement.key())?;
        requirements.push(requirement);
        match behind.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(requirements),
        }
    }
}

/// A label in the form that can be read in one way only, with quotes where they are needed.
pub fn format_label(key: &str, value: &str) -> String {
    let in_quotes = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let key = match is_plain_key(key) {
        true => key.to_owned(),
        false => in_quotes(key),
    };
    // With a comma it can be meant otherwise, even where it is read as one value.
    match is_plain_value(value) && !value.contains(',') {
        true => format!("{key}={value}"),
        false => format!("{key}={}", in_quotes(value)),
    }
}

/// Why a text is no selector.
enum Fault {
    /// It has no form that is known.
    Form,
    /// It can be read in two ways, which are these.
    Ambiguous(String, String),
}

type Read<'a, T> = std::result::Result<(T, &'a str), Fault>;

fn explain(fault: Fault, text: &str) -> Error {
    match fault {
        Fault::Form => Error::invalid(format!("invalid label selector {}", quoted(text))).with_hint(
            "write it as key=value, key!=value, key, !key, key in (a,b) or key notin (a,b), separated by commas, with \
             double quotes around a key or value that has such characters itself",
        ),
        Fault::Ambiguous(one, other) => {
            let error = Error::invalid(format!("the label selector {} can be read in two ways", quoted(text)));
            error.with_hint(format!("write it as {} or as {}", shown(&one), shown(&other)))
        }
    }
}

/// Reads one requirement, and gives what stands behind it: nothing, or a comma and more.
fn requirement(text: &str) -> Read<'_, Requirement> {
    let text = text.trim_start();
    if let Some(negated) = text.strip_prefix('!') {
        let (key, behind) = key(negated)?;
        return match at_end(behind) {
            true => Ok((Requirement::HasNot(key), behind)),
            false => Err(Fault::Form),
        };
    }
    let (key, behind) = key(text)?;
    if let Some(value) = behind.strip_prefix("!=") {
        let (value, behind) = value_of(value)?;
        return match value {
            Value::Text(value) => Ok((Requirement::NotIn(key, BTreeSet::from([value])), behind)),
            Value::Several { whole, first, others } => Err(Fault::Ambiguous(
                format_label(&key, &whole).replacen('=', "!=", 1),
                format!("-l {key}!={first}{}", each(&others)),
            )),
        };
    }
    if let Some(value) = behind.strip_prefix("==").or_else(|| behind.strip_prefix('=')) {
        if value.starts_with('=') {
            return Err(Fault::Form);
        }
        let (value, behind) = value_of(value)?;
        return Ok(match value {
            Value::Text(value) => (Requirement::In(key, BTreeSet::from([value])), behind),
            Value::Several { whole, first, others } => {
                let value = whole;
                (
                    Requirement::Whole {
                        key,
                        value,
                        first,
                        others,
                    },
                    behind,
                )
            }
        });
    }
    for (word, is_in) in [("in", true), ("notin", false)] {
        let Some(list) = behind.strip_prefix(word).map(str::trim_start) else {
            continue;
        };
        let Some(list) = list.strip_prefix('(') else {
            continue;
        };
        let (values, behind) = list_of(list)?;
        return Ok(match is_in {
            true => (Requirement::In(key, values), behind),
            false => (Requirement::NotIn(key, values), behind),
        });
    }
    // A key of several words is more likely another tool's language.
    let is_word = text.starts_with('"') || !key.contains(char::is_whitespace);
    match at_end(behind) && is_word {
        true => Ok((Requirement::Has(key), behind)),
        false => Err(Fault::Form),
    }
}

fn at_end(text: &str) -> bool {
    text.is_empty() || text.starts_with(',')
}

/// Reads a key, and gives what stands behind it without the space before.
fn key(text: &str) -> Read<'_, String> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('"') {
        let (key, behind) = quoted_text(inner)?;
        return match key.is_empty() {
            true => Err(Fault::Form),
            false => Ok((key, behind.trim_start())),
        };
    }
    let end = text.find([',', '=', '!', '(']).unwrap_or(text.len());
    let (before, behind) = text.split_at(end);
    let mut key = before.trim_end();
    let mut start = end;
    if behind.starts_with('(')
        && let Some(at) = key.rfind(char::is_whitespace)
        && matches!(key[at..].trim_start(), "in" | "notin")
    {
        start = at + key[at..].len() - key[at..].trim_start().len();
        key = key[..at].trim_end();
    }
    match is_plain_key(key) {
        true => Ok((key.to_owned(), &text[start..])),
        false => Err(Fault::Form),
    }
}

/// Whether a key needs no quotes.
fn is_plain_key(key: &str) -> bool {
    !key.is_empty() && key.trim() == key && !key.contains(['"', '(', ')', '<', '>', '~', '=', '!', ','])
}

enum Value {
    Text(String),
    Several {
        whole: String,
        first: String,
        others: Vec<String>,
    },
}

/// Reads the value of `=` and `!=`.
fn value_of(text: &str) -> Read<'_, Value> {
    if let Some(inner) = text.trim_start().strip_prefix('"') {
        let (value, behind) = quoted_text(inner)?;
        let behind = behind.trim_start();
        return match at_end(behind) {
            true => Ok((Value::Text(value), behind)),
            false => Err(Fault::Form),
        };
    }
    let mut end = text.find(',').unwrap_or(text.len());
    let (first, mut others) = (text[..end].trim(), Vec::new());
    while let Some(next) = text[end..].strip_prefix(',') {
        let part = next.split(',').next().unwrap_or_default();
        if begins_requirement(part) {
            break;
        }
        others.push(part.trim().to_owned());
        end += 1 + part.len();
    }
    let whole = text[..end].trim().to_owned();
    let can_be_keys = others
        .iter()
        .all(|other| is_plain_key(other) && !other.contains(char::is_whitespace));
    let value = match others.is_empty() || !can_be_keys {
        true => Value::Text(whole),
        false => Value::Several {
            whole,
            first: first.to_owned(),
            others,
        },
    };
    Ok((value, &text[end..]))
}

/// Whether what stands behind a comma can be no part of a value without quotes.
fn begins_requirement(part: &str) -> bool {
    let part = part.trim();
    let mut words = part.split_whitespace().skip(1);
    let has_list = words.any(|word| {
        ["in", "notin"].iter().any(|operator| {
            word.strip_prefix(operator)
                .is_some_and(|behind| behind.is_empty() || behind.starts_with('('))
        })
    });
    part.is_empty() || part.starts_with(['!', '"']) || part.contains('=') || (has_list && part.contains('('))
}

/// Reads the values of `in` and `notin` up to the closing parenthesis.
fn list_of(text: &str) -> Read<'_, BTreeSet<String>> {
    let mut values = BTreeSet::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let (value, behind) = match trimmed.strip_prefix('"') {
            Some(inner) => quoted_text(inner)?,
            None => {
                let end = trimmed.find([',', '(', ')']).ok_or(Fault::Form)?;
                let (value, behind) = trimmed.split_at(end);
                let value = value.trim_end();
                if value.is_empty() || value.contains('"') {
                    return Err(Fault::Form);
                }
                (value.to_owned(), behind)
            }
        };
        values.insert(value);
        let behind = behind.trim_start();
        if let Some(next) = behind.strip_prefix(',') {
            rest = next;
        } else {
            let behind = behind.strip_prefix(')').ok_or(Fault::Form)?.trim_start();
            return match at_end(behind) {
                true => Ok((values, behind)),
                false => Err(Fault::Form),
            };
        }
    }
}

/// Reads a quoted value, of which the opening quote is read already, and nothing may follow.
///
/// # Errors
/// `InvalidSpec` for one that does not end, or does not end there.
pub fn parse_quoted(text: &str) -> Result<String> {
    match quoted_text(text) {
        Ok((value, "")) => Ok(value),
        _ => Err(Error::invalid("a quoted value does not end with its closing quote")
            .with_hint("write it as \"value\", with \\\" and \\\\ for a quote and a backslash inside of it")),
    }
}

/// Reads up to the closing quote.
fn quoted_text(text: &str) -> Read<'_, String> {
    let mut read = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((read, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => read.push(escaped),
                _ => return Err(Fault::Form),
            },
            _ => read.push(character),
        }
    }
    Err(Fault::Form)
}

/// Whether a value is read as it stands.
fn is_plain_value(value: &str) -> bool {
    match requirement(&format!("key={value}")) {
        Ok((read, "")) => read.as_label() == Some(("key", value)),
        _ => false,
    }
}

fn each(keys: &[String]) -> String {
    keys.iter().map(|key| format!(" -l {key}")).collect()
}

/// Both readings of a text that is no plain label.
fn two_spellings(text: &str, requirements: &Result<Vec<Requirement>>, (key, value): (&str, &str)) -> String {
    let literal = format_label(key, value);
    if may_be_secret(text) {
        return "put the key or the value in double quotes, as in Roles=\"app,web\"".to_owned();
    }
    let labels: Option<Vec<_>> = match requirements {
        Ok(requirements) => requirements.iter().map(Requirement::as_label).collect(),
        Err(_) => None,
    };
    let other = labels.filter(|labels| !labels.is_empty()).map(|labels| {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("-l '{}'", format_label(key, value)))
            .collect();
        labels.join(" ")
    });
    match other {
        Some(other) => format!("write it as {other}, or as -l '{literal}'"),
        None => format!("if it is a label, write it as -l '{literal}'"),
    }
}

fn shown(text: &str) -> String {
    match may_be_secret(text) {
        true => "key=\"value\"".to_owned(),
        false => text.to_owned(),
    }
}

/// Checks that a label is not one of cloudctl's own, which are shown as fields and not as labels.
///
/// # Errors
/// `InvalidSpec` with what to use instead.
pub fn check_selectable(key: &str) -> Result<()> {
    let Some(what) = key.strip_prefix(RESERVED_PREFIX) else {
        return Ok(());
    };
    let remedy = match what {
        "managed" => {
            "pass --managed to `cloudctl list`; `cloudctl terminate -l` takes no other VMs: give it a label of your own"
        }
        "name" | "members" | "generation" => "use the name of the VM, as in `cloudctl describe NAME`",
        "ttl" => "pass --expired to `cloudctl terminate`, or --filter 'expires_at<TIME' to `cloudctl list`",
        _ => "use a label of your own, or the name of the VM",
    };
    Err(Error::invalid(format!("the label {key} is one of cloudctl's own and does not select")).with_hint(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_is_taken_selects_itself() {
        for text in [
            "env=ci",
            "Roles=app,web",
            "Team=Data Science",
            "expr=a=b",
            "k=v!=w",
            "k=!x",
            "note=say \"hi\"",
            "owner=O'Brien",
            "k='v'",
            "k=(a,b)",
            "k=f(x)",
            "k=",
            "k=,b",
            "k=a, b c",
            "größe=klein äöü 🙂",
            "My Key=x",
            "kubernetes.io/cluster:a+b@c=owned",
            "path=C:\\temp",
            "\"a,b\"=c",
            "k=\"a=1,b=2\"",
            "Roles=\"app,web\"",
            "k=\" v \"",
            "k=\"\\\"v\\\"\"",
            "\"!k\"=\"=v\"",
        ] {
            let label = parse_label(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            for text in [text, &format_label(&label.key, &label.value)] {
                let selector = parse_requirements(text).unwrap();
                let [requirement] = selector.as_slice() else {
                    panic!("{text}: {selector:?}")
                };
                assert_eq!(
                    requirement.as_label(),
                    Some((label.key.as_str(), label.value.as_str())),
                    "{text}"
                );
            }
            assert_eq!(
                label.was_quoted,
                text.starts_with('"') || text.contains("=\""),
                "{text}"
            );
        }
    }

    #[test]
    fn a_label_that_can_be_read_in_two_ways_is_refused_with_both() {
        for (text, one, other) in [
            ("a=1,b=2", "-l 'a=1' -l 'b=2'", "a=\"1,b=2\""),
            ("k=\"v\"", "-l 'k=v'", "k=\"\\\"v\\\"\""),
            ("k= v ", "-l 'k=v'", "k=\" v \""),
            ("k==v", "-l 'k=v'", "k=\"=v\""),
            ("k!=v", "", "\"k!\"=v"),
            ("a,b=c", "", "\"a,b\"=c"),
            ("x in (a=b)", "", "\"x in (a\"=b)"),
            ("k=a,", "", "k=\"a,\""),
            ("k=a,!b", "", "k=\"a,!b\""),
            ("k=a,b in (c,d)", "", "k=\"a,b in (c,d)\""),
            ("k=\"a", "", "k=\"\\\"a\""),
            ("a>=b", "", "\"a>\"=b"),
        ] {
            let error = parse_label(text).unwrap_err();
            let remedy = error.hint().unwrap();
            assert!(remedy.contains(one) && remedy.contains(other), "{text}: {remedy}");
        }
    }
}
