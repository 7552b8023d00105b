//! Parses labels: `key=value` to set one, `key-` to remove one, and the requirements of a label selector. All have one
//! grammar: a text that is accepted as a label selects that label.
//!
//! A key or a value can be in double quotes, with `\"` and `\\` inside. A quote counts only at the beginning. A value
//! without quotes can contain commas: it ends where the next part can only be another requirement.

use std::collections::BTreeSet;

use super::{Error, Glob, Result, check_label_key, check_selectable, may_be_secret, quote_for_shell, quoted};

/// One condition of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label exists and has one of these values.
    In(String, BTreeSet<String>),
    /// The label does not exist, or has none of these values.
    NotIn(String, BTreeSet<String>),
    /// The label exists, with any value.
    Has(String),
    /// The label does not exist.
    HasNot(String),
    /// `Roles=app,web`: the value of the label is the whole text. The text could also mean the value before the comma, and
    /// that the labels after the commas exist.
    Whole {
        /// The label's key.
        key: String,
        /// The whole text.
        value: String,
        /// The text before the first comma.
        first: String,
        /// The parts after the commas. Each can be a key.
        others: Vec<String>,
    },
}

impl Requirement {
    /// The key of the label.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Has(key) | Self::HasNot(key) | Self::Whole { key, .. } => {
                key
            }
        }
    }

    /// The key and the value, if the requirement allows only one value.
    fn as_label(&self) -> Option<(&str, &str)> {
        match self {
            Self::In(key, values) if values.len() == 1 => Some((key, values.first()?)),
            Self::Whole { key, value, .. } => Some((key, value)),
            _ => None,
        }
    }
}

/// A label as the user typed it, to set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedLabel {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether quotes were removed.
    pub was_quoted: bool,
}

/// Parses `key=value`, a label to set. The same text as a selector means that label and nothing else. `flag` is what comes
/// before a label on the command line, for hints: `-l ` or nothing.
///
/// # Errors
/// `InvalidSpec` if it is not a label, or can be read in two ways; the hint has both.
pub fn parse_label(text: &str, flag: &str) -> Result<TypedLabel> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => (key, value),
        _ => {
            return Err(Error::invalid(format!("invalid label {}", quoted(text))).with_hint("write it as key=value"));
        }
    };
    check_label_key(key)?;
    let requirements = parse_requirements(text);
    let parsed = match requirements.as_deref() {
        Ok([only]) => only.as_label(),
        _ => None,
    };
    let new_label = |key: &str, value: &str, was_quoted| TypedLabel {
        key: key.to_owned(),
        value: value.to_owned(),
        was_quoted,
    };
    match parsed {
        Some(label) if label == (key, value) => Ok(new_label(key, value, false)),
        // Quotes that change nothing could be meant as a part of the label.
        Some((unquoted_key, unquoted_value)) if format_label(unquoted_key, unquoted_value) == text => {
            check_label_key(unquoted_key)?;
            Ok(new_label(unquoted_key, unquoted_value, true))
        }
        _ => {
            let error = Error::invalid(format!("the label {} can be read in two ways", quoted(text)));
            Err(error.with_hint(format_two_spellings(text, &requirements, (key, value), flag)))
        }
    }
}

/// Parses `key-`, a label to remove, and gives the key.
///
/// # Errors
/// `InvalidSpec` if it is not a key and a hyphen, or the key is one of cloudctl's own.
pub fn parse_removed_label(text: &str) -> Result<String> {
    let invalid_error = || {
        Error::invalid(format!("invalid label to remove {}", quoted(text)))
            .with_hint("write it as key-, with double quotes around a key that has other characters: \"a,b\"-")
    };
    let typed_key = text.strip_suffix('-').ok_or_else(invalid_error)?;
    let key = match typed_key.strip_prefix('"') {
        Some(inner) => parse_quoted(inner).map_err(|_| invalid_error())?,
        None if is_plain_key(typed_key) => typed_key.to_owned(),
        None => return Err(invalid_error()),
    };
    check_label_key(&key)?;
    Ok(key)
}

/// Parses the requirements of a selector: `env=ci,team!=web,gpu,!temporary,stage in (a,b)`. An instance must meet each.
///
/// # Errors
/// `InvalidSpec` if it is not a selector, can be read in two ways, or has a label of cloudctl's own.
pub fn parse_requirements(text: &str) -> Result<Vec<Requirement>> {
    let mut requirements = Vec::new();
    let mut rest = text;
    loop {
        let (requirement, after) = parse_requirement(rest).map_err(|fault| selector_error(fault, text))?;
        check_selectable(requirement.key())?;
        requirements.push(requirement);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(requirements),
        }
    }
}

/// Formats a label so that it can be read in one way only, with quotes where they are needed.
pub fn format_label(key: &str, value: &str) -> String {
    let key = format_key(key);
    // A value with a comma is quoted, even if it is parsed as one value: it could be read in two ways.
    match is_plain_value(value) && !value.contains(',') {
        true => format!("{key}={value}"),
        false => format!("{key}={}", put_in_quotes(value)),
    }
}

/// Formats the removal of a label, as [`parse_removed_label`] parses it.
pub fn format_removed_label(key: &str) -> String {
    format!("{}-", format_key(key))
}

fn format_key(key: &str) -> String {
    match is_plain_key(key) {
        true => key.to_owned(),
        false => put_in_quotes(key),
    }
}

fn put_in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Why a text is not a selector.
enum Fault {
    /// The syntax is wrong.
    Syntax,
    /// It can be read in these two ways.
    Ambiguous(String, String),
    /// It is the syntax of another tool; the hint says how to write it here.
    OtherSyntax(String),
}

/// The parsed part and the text after it.
type Parsed<'a, T> = std::result::Result<(T, &'a str), Fault>;

fn selector_error(fault: Fault, text: &str) -> Error {
    match fault {
        Fault::Syntax => Error::invalid(format!("invalid label selector {}", quoted(text))).with_hint(
            "write it as key=value, key!=value, key, !key, key in (a,b) or key notin (a,b), separated by commas, with double quotes around a key or value that contains any of these characters",
        ),
        Fault::OtherSyntax(hint) => {
            Error::invalid(format!("invalid label selector {}", quoted(text))).with_hint(hint)
        }
        Fault::Ambiguous(one, other) => {
            let error = Error::invalid(format!("the label selector {} can be read in two ways", quoted(text)));
            error.with_hint(format!(
                "write it as {} or as {}",
                show_or_example(&one),
                show_or_example(&other)
            ))
        }
    }
}

/// Parses one requirement. The text after it is empty or begins with a comma.
fn parse_requirement(text: &str) -> Parsed<'_, Requirement> {
    let text = text.trim_start();
    if let Some(negated) = text.strip_prefix('!') {
        let (key, after) = parse_key(negated)?;
        if !is_at_end(after) {
            return Err(Fault::Syntax);
        }
        return Ok((Requirement::HasNot(key), after));
    }
    let (key, after_key) = parse_key(text)?;
    if let Some(value) = after_key.strip_prefix("!=") {
        return parse_unequal_value(key, value);
    }
    if let Some(value) = after_key.strip_prefix("==").or_else(|| after_key.strip_prefix('=')) {
        return parse_equal_value(key, value);
    }
    if let Some(list) = strip_list_start(after_key, "in") {
        if let Some(key) = key.strip_suffix(" not") {
            return Err(Fault::OtherSyntax(format!("write it as '{} notin (a,b)'", key.trim())));
        }
        let (values, after) = parse_list(list, |_| Ok(()))?;
        return Ok((Requirement::In(key, values), after));
    }
    if let Some(list) = strip_list_start(after_key, "notin") {
        let (values, after) = parse_list(list, |value| check_excluded_value(&key, value))?;
        return Ok((Requirement::NotIn(key, values), after));
    }
    // A key of several words is probably the selector syntax of another tool.
    let is_one_word = text.starts_with('"') || !key.contains(char::is_whitespace);
    if !is_at_end(after_key) || !is_one_word {
        return Err(Fault::Syntax);
    }
    Ok((Requirement::Has(key), after_key))
}

/// Parses the requirement of a key after its `!=`.
fn parse_unequal_value(key: String, text: &str) -> Parsed<'_, Requirement> {
    let is_quoted = text.trim_start().starts_with('"');
    let (value, after) = parse_value(text)?;
    if let (false, Value::Text(value)) = (is_quoted, &value) {
        check_excluded_value(&key, value)?;
    }
    match value {
        Value::Text(value) => Ok((Requirement::NotIn(key, BTreeSet::from([value])), after)),
        Value::Several { whole, first, others } => Err(Fault::Ambiguous(
            format!(
                "-l {}",
                quote_for_shell(&format_label(&key, &whole).replacen('=', "!=", 1))
            ),
            format!(
                "-l {}{}",
                quote_for_shell(&format!("{key}!={first}")),
                format_selectors(&others)
            ),
        )),
    }
}

/// Parses the requirement of a key after its `=` or `==`.
fn parse_equal_value(key: String, text: &str) -> Parsed<'_, Requirement> {
    if text.starts_with('=') {
        return Err(Fault::Syntax);
    }
    let (value, after) = parse_value(text)?;
    let requirement = match value {
        Value::Text(value) => Requirement::In(key, BTreeSet::from([value])),
        Value::Several { whole, first, others } => Requirement::Whole {
            key,
            value: whole,
            first,
            others,
        },
    };
    Ok((requirement, after))
}

/// The text behind `in (` or `notin (`.
fn strip_list_start<'a>(text: &'a str, operator: &str) -> Option<&'a str> {
    text.strip_prefix(operator)?.trim_start().strip_prefix('(')
}

/// Checks a value without quotes of `!=` or `notin`. What is not excluded is selected, so a value that was probably not
/// meant is refused.
fn check_excluded_value(key: &str, value: &str) -> std::result::Result<(), Fault> {
    check_no_single_quotes(value)?;
    if value.starts_with(['=', '~']) {
        return Err(Fault::OtherSyntax(format!("write it as {key}!=value")));
    }
    if Glob::is_pattern(value) {
        return Err(Fault::OtherSyntax(format!(
            "-l compares whole values: for a pattern use --filter 'label.{key}!=pre*', for a literal * write '{key}!=\"pre*\"'"
        )));
    }
    Ok(())
}

fn check_no_single_quotes(word: &str) -> std::result::Result<(), Fault> {
    let is_in_single_quotes = word.len() >= 2 && word.starts_with('\'') && word.ends_with('\'');
    match is_in_single_quotes {
        true => Err(Fault::OtherSyntax(format!(
            "write it without quotes, or in double quotes: {}",
            word.trim_matches('\'')
        ))),
        false => Ok(()),
    }
}

fn is_at_end(text: &str) -> bool {
    text.is_empty() || text.starts_with(',')
}

/// Parses a key. Removes white space before the text after it.
fn parse_key(text: &str) -> Parsed<'_, String> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('"') {
        let (key, after) = parse_quoted_text(inner)?;
        return match key.is_empty() {
            true => Err(Fault::Syntax),
            false => Ok((key, after.trim_start())),
        };
    }
    let end = text.find([',', '=', '!', '(']).unwrap_or(text.len());
    let (before, after) = text.split_at(end);
    let mut key = before.trim_end();
    let mut start = end;
    if after.starts_with('(')
        && let Some(at) = key.rfind(char::is_whitespace)
        && matches!(key[at..].trim_start(), "in" | "notin")
    {
        start = at + key[at..].len() - key[at..].trim_start().len();
        key = key[..at].trim_end();
    }
    check_no_single_quotes(key)?;
    match is_plain_key(key) {
        true => Ok((key.to_owned(), &text[start..])),
        false => Err(Fault::Syntax),
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

/// Parses the value of `=` and `!=`.
fn parse_value(text: &str) -> Parsed<'_, Value> {
    if let Some(inner) = text.trim_start().strip_prefix('"') {
        let (value, after) = parse_quoted_text(inner)?;
        let after = after.trim_start();
        return match is_at_end(after) {
            true => Ok((Value::Text(value), after)),
            false => Err(Fault::Syntax),
        };
    }
    let mut end = text.find(',').unwrap_or(text.len());
    let (first, mut others) = (text[..end].trim(), Vec::new());
    while let Some(next) = text[end..].strip_prefix(',') {
        let part = next.split(',').next().unwrap_or_default();
        if must_be_requirement(part) {
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

/// Whether the text after a comma can only be a requirement, not a part of a value without quotes.
fn must_be_requirement(part: &str) -> bool {
    let part = part.trim();
    let mut words = part.split_whitespace().skip(1);
    let has_list = words.any(|word| {
        ["in", "notin"].iter().any(|operator| {
            word.strip_prefix(operator)
                .is_some_and(|after| after.is_empty() || after.starts_with('('))
        })
    });
    part.is_empty() || part.starts_with(['!', '"']) || part.contains('=') || (has_list && part.contains('('))
}

/// Parses the values of `in` and `notin` up to the closing parenthesis. `check_unquoted` checks each value without quotes.
fn parse_list(
    text: &str,
    check_unquoted: impl Fn(&str) -> std::result::Result<(), Fault>,
) -> Parsed<'_, BTreeSet<String>> {
    let mut values = BTreeSet::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let (value, after) = match trimmed.strip_prefix('"') {
            Some(inner) => parse_quoted_text(inner)?,
            None => {
                let end = trimmed.find([',', '(', ')']).ok_or(Fault::Syntax)?;
                let (value, after) = trimmed.split_at(end);
                let value = value.trim_end();
                if value.is_empty() || value.contains('"') {
                    return Err(Fault::Syntax);
                }
                check_unquoted(value)?;
                (value.to_owned(), after)
            }
        };
        values.insert(value);
        let after = after.trim_start();
        if let Some(next) = after.strip_prefix(',') {
            rest = next;
        } else {
            let after = after.strip_prefix(')').ok_or(Fault::Syntax)?.trim_start();
            return match is_at_end(after) {
                true => Ok((values, after)),
                false => Err(Fault::Syntax),
            };
        }
    }
}

/// Parses a quoted value without its opening quote. Its closing quote must end the text.
///
/// # Errors
/// `InvalidSpec` if it does not.
pub fn parse_quoted(text: &str) -> Result<String> {
    match parse_quoted_text(text) {
        Ok((value, "")) => Ok(value),
        _ => Err(Error::invalid("a quoted value does not end with its closing quote")
            .with_hint("write it as \"value\", with \\\" and \\\\ for a quote and a backslash inside of it")),
    }
}

/// Parses up to the closing quote.
fn parse_quoted_text(text: &str) -> Parsed<'_, String> {
    let mut unquoted = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((unquoted, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => unquoted.push(escaped),
                _ => return Err(Fault::Syntax),
            },
            _ => unquoted.push(character),
        }
    }
    Err(Fault::Syntax)
}

/// Whether a value without quotes is parsed as itself.
fn is_plain_value(value: &str) -> bool {
    match parse_requirement(&format!("key={value}")) {
        Ok((requirement, "")) => requirement.as_label() == Some(("key", value)),
        _ => false,
    }
}

fn format_selectors(keys: &[String]) -> String {
    keys.iter().map(|key| format!(" -l {key}")).collect()
}

/// The hint with both readings of a text that is not a plain label.
fn format_two_spellings(
    text: &str,
    requirements: &Result<Vec<Requirement>>,
    (key, value): (&str, &str),
    flag: &str,
) -> String {
    let literal = format_label(key, value);
    if may_be_secret(text) {
        return "put the key or the value in double quotes, as in Roles=\"app,web\"".to_owned();
    }
    let labels: Option<Vec<_>> = match requirements {
        Ok(requirements) => requirements.iter().map(Requirement::as_label).collect(),
        Err(_) => None,
    };
    match labels {
        Some(labels) => {
            let flags = labels
                .iter()
                .map(|(key, value)| format!("{flag}'{}'", format_label(key, value)));
            let several = flags.collect::<Vec<_>>().join(" ");
            format!("write it as {several}, or as {flag}'{literal}'")
        }
        None => format!("if it is a label, write it as {flag}'{literal}'"),
    }
}

/// The text, or an example in place of a possible secret.
fn show_or_example(text: &str) -> String {
    match may_be_secret(text) {
        true => "key=\"value\"".to_owned(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_label_selects_itself() {
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
            let label = parse_label(text, "-l ").unwrap_or_else(|error| panic!("{text}: {error}"));
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
    fn ambiguous_label_is_refused_with_both_readings() {
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
            let error = parse_label(text, "-l ").unwrap_err();
            let hint = error.hint().unwrap();
            assert!(hint.contains(one) && hint.contains(other), "{text}: {hint}");
        }
    }
}
