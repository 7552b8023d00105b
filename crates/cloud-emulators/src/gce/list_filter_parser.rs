//! The grammar of list filters.

use super::list_filter::{Expression, Operator};
use super::regular_expression::Pattern;

const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    (":", Operator::Has),
];

/// A filter, read from left to right.
pub struct Parser<'t> {
    rest: &'t str,
    /// Saw `eq` or `ne`.
    legacy: bool,
    /// Saw a comparison of the AIP-160 kind, AND, OR or NOT.
    modern: bool,
    pub fields: Vec<String>,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            legacy: false,
            modern: false,
            fields: Vec::new(),
        }
    }

    /// The whole filter; `None` if any of it is not understood, or both kinds are mixed.
    pub fn whole(&mut self) -> Option<Expression> {
        let expression = self.expression()?;
        self.skip_spaces();
        let mixed = self.legacy && self.modern;
        (self.rest.is_empty() && !mixed).then_some(expression)
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// A keyword stands alone: `ORder=1` holds no OR.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let after = self
            .rest
            .strip_prefix(word)
            .filter(|after| after.starts_with([' ', '(']));
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Factors, joined by AND or by nothing. OR binds tighter, as AIP-160 has it.
    fn expression(&mut self) -> Option<Expression> {
        let mut parts = vec![self.factor()?];
        loop {
            if self.keyword("AND") {
                self.modern = true;
            }
            self.skip_spaces();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                break;
            }
            parts.push(self.factor()?);
        }
        Some(Expression::All(parts))
    }

    fn factor(&mut self) -> Option<Expression> {
        let mut parts = vec![self.term()?];
        while self.keyword("OR") {
            self.modern = true;
            parts.push(self.term()?);
        }
        Some(Expression::Any(parts))
    }

    fn term(&mut self) -> Option<Expression> {
        if self.keyword("NOT") || self.skip("-") {
            self.modern = true;
            return self.term().map(|term| Expression::Not(Box::new(term)));
        }
        if self.skip("(") {
            let inner = self.expression()?;
            return self.skip(")").then_some(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Expression> {
        self.skip_spaces();
        let length = self
            .rest
            .find([' ', '=', '!', '<', '>', ':', '(', ')', '"', '\'', '[', ','])?;
        let (field, rest) = self.rest.split_at(length);
        if field.is_empty() {
            return None;
        }
        let field = field.to_owned();
        self.fields.push(field.clone());
        self.rest = rest;
        let legacy = if self.keyword("eq") {
            Some(true)
        } else if self.keyword("ne") {
            Some(false)
        } else {
            None
        };
        if let Some(equal) = legacy {
            self.legacy = true;
            let pattern = Pattern::new(&self.value()?)?;
            return Some(Expression::Match { field, equal, pattern });
        }
        self.modern = true;
        let (_, operator) = *OPERATORS.iter().find(|(token, _)| self.skip(token))?;
        let value = self.value()?;
        Some(Expression::Compare { field, operator, value })
    }

    /// A quoted literal, or what reaches to the next space or unmatched bracket.
    fn value(&mut self) -> Option<String> {
        self.skip_spaces();
        if let Some(quote) = self.rest.chars().next().filter(|first| ['"', '\''].contains(first)) {
            return self.quoted(quote);
        }
        let mut depth = 0_usize;
        let end = self.rest.char_indices().find_map(|(at, next)| {
            match next {
                '(' => depth += 1,
                ')' if depth == 0 => return Some(at),
                ')' => depth -= 1,
                ' ' => return Some(at),
                _ => {}
            }
            None
        });
        let (value, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        // A list such as `(a b)` is gcloud's own; the service refuses it.
        if value.is_empty() || (value.starts_with('(') && self.modern && !self.legacy) {
            return None;
        }
        self.rest = rest;
        Some(value.to_owned())
    }

    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, next)) = characters.next() {
            if next == quote {
                self.rest = &self.rest[at + next.len_utf8()..];
                return Some(value);
            }
            match (next, characters.clone().next()) {
                ('\\', Some((_, escaped))) if escaped == quote || escaped == '\\' => {
                    // In a regular expression `\\` stays an escape of its own.
                    if self.legacy && escaped == '\\' {
                        value.push('\\');
                    }
                    value.push(escaped);
                    characters.next();
                }
                _ => value.push(next),
            }
        }
        None
    }
}
