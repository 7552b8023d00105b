//! A small XML writer: elements, sets of `item`s, escaping.

use std::fmt::{Display, Write};

#[derive(Default)]
pub struct Xml {
    text: String,
}

impl Xml {
    pub fn document() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
        }
    }

    pub fn finish(self) -> String {
        self.text
    }

    /// Takes over what another writer wrote.
    pub fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
    }

    /// `<name>value</name>`
    pub fn text(&mut self, name: &str, value: impl Display) {
        self.inside(name, |xml| {
            write!(Escaping(&mut xml.text), "{value}").expect("writing to a string");
        });
    }

    /// The element, if there is a value; EC2 leaves out what is not set.
    pub fn maybe(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub fn inside(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.tagged(name, "", content);
    }

    /// An element with attributes, which are written as they stand.
    pub fn tagged(&mut self, name: &str, attributes: &str, content: impl FnOnce(&mut Self)) {
        let gap = if attributes.is_empty() { "" } else { " " };
        write!(self.text, "<{name}{gap}{attributes}>").expect("writing to a string");
        content(self);
        write!(self.text, "</{name}>").expect("writing to a string");
    }

    /// `<name><item>…</item><item>…</item></name>`
    pub fn set<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut content: impl FnMut(&mut Self, T)) {
        self.inside(name, |xml| {
            for item in items {
                xml.inside("item", |xml| content(xml, item));
            }
        });
    }

    /// `<name><value>…</value></name>`, the shape of a single attribute.
    pub fn attribute(&mut self, name: &str, value: impl Display) {
        self.inside(name, |xml| xml.text("value", value));
    }
}

struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\t' | '\n' => self.0.push(character),
                other if other.is_control() => write!(self.0, "&#x{:X};", u32::from(other))?,
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}
