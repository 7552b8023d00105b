//! Reads documents as EC2 writes them: elements, text, the five entities and numeric character references.
//!
//! The reader gives up on all other XML and returns `None`; the SDK then parses the document.

use std::borrow::Cow;

use memchr::memchr;

/// A position in a document. Every method returns `None` if the document is not as expected.
pub(crate) struct XmlReader<'a> {
    text: &'a str,
    position: usize,
    /// Whether the element that was entered last is empty: `<a/>` has no end tag.
    is_in_empty_element: bool,
}

impl<'a> XmlReader<'a> {
    /// Enters the root element, which must have this name.
    pub(crate) fn enter_root(text: &'a str, name: &str) -> Option<Self> {
        let declared = text.trim_start();
        let start = match declared.strip_prefix("<?xml") {
            Some(declaration) => declaration.split_once("?>")?.1,
            None => declared,
        };
        let mut reader = Self {
            text,
            position: text.len() - start.len(),
            is_in_empty_element: false,
        };
        match reader.next_tag()? {
            Tag::Start(root) if root == name => Some(reader),
            _ => None,
        }
    }

    /// Enters the next child of the element `parent`. At the end of `parent` it leaves it and returns `Some(None)`.
    pub(crate) fn next_child(&mut self, parent: &str) -> Option<Option<&'a str>> {
        if std::mem::take(&mut self.is_in_empty_element) {
            return Some(None);
        }
        match self.next_tag()? {
            Tag::Start(name) => Some(Some(name)),
            Tag::End(name) => (name == parent).then_some(None),
        }
    }

    /// Reads the text of the element, which must have no children, and leaves it.
    pub(crate) fn read_text(&mut self, element: &str) -> Option<Cow<'a, str>> {
        if std::mem::take(&mut self.is_in_empty_element) {
            return Some(Cow::Borrowed(""));
        }
        let rest = &self.text[self.position..];
        let raw = &rest[..memchr(b'<', rest.as_bytes())?];
        self.position += raw.len();
        match self.next_tag()? {
            Tag::End(name) if name == element => unescape(raw),
            _ => None,
        }
    }

    /// Leaves the element and ignores its content.
    pub(crate) fn skip_element(&mut self, element: &str) -> Option<()> {
        if std::mem::take(&mut self.is_in_empty_element) {
            return Some(());
        }
        let mut depth = 0_usize;
        loop {
            match self.next_tag()? {
                Tag::Start(_) => depth += usize::from(!std::mem::take(&mut self.is_in_empty_element)),
                Tag::End(name) if depth == 0 => return (name == element).then_some(()),
                Tag::End(_) => depth -= 1,
            }
        }
    }

    /// Whether only white space follows.
    pub(crate) fn is_at_end(&self) -> bool {
        self.text[self.position..].trim_ascii().is_empty()
    }

    /// Reads the next tag and skips the text before it.
    fn next_tag(&mut self) -> Option<Tag<'a>> {
        let rest = &self.text[self.position..];
        let start = memchr(b'<', rest.as_bytes())?;
        let length = memchr(b'>', &rest.as_bytes()[start..])?;
        let tag = &rest[start + 1..start + length];
        self.position += start + length + 1;
        if let Some(name) = tag.strip_prefix('/') {
            return Some(Tag::End(name.trim_ascii_end()));
        }
        let content = tag.strip_suffix('/');
        self.is_in_empty_element = content.is_some();
        let content = content.unwrap_or(tag);
        let name = match memchr(b' ', content.as_bytes()) {
            Some(end) => &content[..end],
            None => content,
        };
        // This excludes comments, CDATA and attributes that can contain the end of a tag.
        let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let attributes = &content[name.len()..];
        let is_whole = attributes.is_empty()
            || !attributes.contains(['<', '\'']) && attributes.matches('"').count().is_multiple_of(2);
        (is_plain && is_whole).then_some(Tag::Start(name))
    }
}

enum Tag<'a> {
    Start(&'a str),
    End(&'a str),
}

/// Resolves the references in a text.
fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    if memchr(b'&', raw.as_bytes()).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, reference)) = rest.split_once('&') {
        let (name, after) = reference.split_once(';')?;
        text.push_str(before);
        text.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => parse_character_reference(name)?,
        });
        rest = after;
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// The character of a numeric reference: `A` for `#65` and `#x41`.
pub(super) fn parse_character_reference(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the root's children named `b`.
    fn read_texts(document: &str) -> Option<Vec<String>> {
        let mut reader = XmlReader::enter_root(document, "a")?;
        let mut texts = Vec::new();
        while let Some(name) = reader.next_child("a")? {
            match name {
                "b" => texts.push(reader.read_text("b")?.into_owned()),
                other => reader.skip_element(other)?,
            }
        }
        reader.is_at_end().then_some(texts)
    }

    #[test]
    fn reader_reads_elements_and_text() {
        for (document, texts) in [
            ("<a/>", &[][..]),
            (
                "<?xml version=\"1.0\"?>\n<a xmlns=\"http://x/\">\n <b>1</b>\n <b/>\n</a>\n",
                &["1", ""],
            ),
            ("<a><c><b>0</b><c/><c>2</c></c><b> 1 </b></a>", &[" 1 "]),
            ("<a><b>&lt;&#x41;&#66;&amp;&quot;&apos;&gt;</b></a>", &["<AB&\"'>"]),
            ("<a><b>na\u{ef}ve \u{202e}</b></a>", &["na\u{ef}ve \u{202e}"]),
        ] {
            assert_eq!(read_texts(document).unwrap(), texts, "{document}");
        }
    }

    #[test]
    fn reader_gives_up_on_other_xml() {
        for document in [
            "",
            "<b/>",
            "<a>",
            "<a><b>1</b>",
            "<a><b>1</c></a>",
            "<a><b>1<c/></b></a>",
            "<a><!-- x --></a>",
            "<a><b><![CDATA[1]]></b></a>",
            "<a><b>&nbsp;</b></a>",
            "<a><b>&#xD800;</b></a>",
            "<a><b>&</b></a>",
            "<a><c x='>'/></a>",
            "<a><b x=\">\">1</b></a>",
            "<a></a><a/>",
            "<!DOCTYPE a><a/>",
            "<a",
            "<html><body>",
        ] {
            assert_eq!(read_texts(document), None, "{document}");
        }
    }

    #[test]
    fn reader_gives_up_on_truncated_document() {
        let document = "<?xml version=\"1.0\"?><a xmlns=\"x\"><b>\u{e9}&amp;</b><c><d/></c></a>";
        assert!(read_texts(document).is_some());
        for end in (0..document.len()).filter(|end| document.is_char_boundary(*end)) {
            assert_eq!(read_texts(&document[..end]), None, "{end}");
        }
    }
}
