//! The form of the EC2 query protocol: `Filter.1.Value.2=running` is a tree.

use std::collections::BTreeMap;

use super::errors::{Answer, Refusal};

/// The names and values of a form, decoded but not yet understood.
pub type Pairs = Vec<(String, String)>;

/// One level of the tree. A list is a node whose children are numbers.
#[derive(Clone, Debug, Default)]
pub struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    /// Only for pairs that passed [`super::allowed_parameters::check`], which bounds the depth.
    pub fn tree(pairs: &Pairs) -> Self {
        let mut root = Self::default();
        for (name, value) in pairs {
            let mut node = &mut root;
            for part in name.split('.') {
                node = node.children.entry(part.to_owned()).or_default();
            }
            node.value = Some(value.clone());
        }
        root
    }

    /// The value at a path such as `Placement.AvailabilityZone`.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.node(path)?.value.as_deref()
    }

    pub fn need(&self, path: &str) -> Answer<&str> {
        self.get(path)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::missing(path))
    }

    pub fn node(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for part in path.split('.') {
            node = node.children.get(part)?;
        }
        Some(node)
    }

    /// The members of a list, by number.
    pub fn list(&self, path: &str) -> Vec<&Self> {
        let Some(node) = self.node(path) else {
            return Vec::new();
        };
        let mut members: Vec<(u32, &Self)> = node
            .children
            .iter()
            .filter_map(|(number, member)| Some((number.parse().ok()?, member)))
            .collect();
        members.sort_by_key(|(number, _)| *number);
        members.into_iter().map(|(_, member)| member).collect()
    }

    /// The values of a list of scalars.
    pub fn values(&self, path: &str) -> Vec<&str> {
        self.list(path)
            .into_iter()
            .filter_map(|member| member.value.as_deref())
            .collect()
    }

    /// Absent is `None`; what is no integer was refused before.
    pub fn integer(&self, path: &str) -> Option<i64> {
        self.get(path)?.parse().ok()
    }

    /// The same text for the same parameters, whatever their order on the wire.
    pub fn text_without(&self, left_out: &[&str]) -> String {
        let kept = self
            .children
            .iter()
            .filter(|(name, _)| !left_out.contains(&name.as_str()));
        format!("{:?}", kept.collect::<Vec<_>>())
    }

    pub fn flag(&self, path: &str) -> Option<bool> {
        self.get(path).map(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// Decodes `application/x-www-form-urlencoded`.
pub fn decode(form: &[u8]) -> Answer<Pairs> {
    form.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = unescape(halves.next().unwrap_or_default())?;
            let value = unescape(halves.next().unwrap_or_default())?;
            Ok((name, value))
        })
        .collect()
}

/// What a service needs to know of a form before it can judge it; a broken form has none.
pub fn peek(pairs: &Pairs, name: &str) -> Option<String> {
    let (_, value) = pairs.iter().find(|(key, _)| key == name)?;
    Some(value.clone())
}

fn unescape(text: &[u8]) -> Answer<String> {
    let broken = || Refusal::new("MalformedQueryString", "The query string contains a syntax error");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || {
                    let digit = char::from(*rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(broken());
                };
                bytes.push(high * 16 + low);
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
}
