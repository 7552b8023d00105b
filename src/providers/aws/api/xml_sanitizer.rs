//! Repairs EC2 XML documents that the SDK cannot parse.
//!
//! The SDK refuses a document with one forbidden character in it, and of a text with a comment or CDATA in it the SDK
//! reads only the first part.

use std::borrow::Cow;

use memchr::memmem;

use super::xml_reader::parse_character_reference;

/// Repairs a document, so that one forbidden character in a tag does not hide a whole region; `None` if there is
/// nothing to repair.
pub(crate) fn repair_if_invalid(body: &[u8]) -> Option<Vec<u8>> {
    if !body.trim_ascii_start().starts_with(b"<") {
        return None;
    }
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    match repair_characters(replace_sections(text)) {
        Cow::Owned(text) => Some(text.into_bytes()),
        Cow::Borrowed(_) => None,
    }
}

/// Removes comments and writes CDATA as normal text. A section without an end stays and marks where the document was
/// cut short.
fn replace_sections(text: Cow<'_, str>) -> Cow<'_, str> {
    if memmem::find(text.as_bytes(), b"<!").is_none() {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, section)) = rest.split_once("<!") {
        plain.push_str(before);
        rest = section;
        if let Some(comment) = section.strip_prefix("--") {
            let Some((_, after)) = comment.split_once("-->") else {
                return Cow::Owned(plain + "<!");
            };
            rest = after;
        } else if let Some(data) = section.strip_prefix("[CDATA[") {
            let Some((data, after)) = data.split_once("]]>") else {
                return Cow::Owned(plain + "<!");
            };
            plain.push_str(&data.replace('&', "&amp;").replace('<', "&lt;"));
            rest = after;
        } else {
            plain.push_str("<!");
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Writes each character that XML forbids as a reference, and each reference to no character as U+FFFD.
fn repair_characters(text: Cow<'_, str>) -> Cow<'_, str> {
    if memmem::find(text.as_bytes(), b"&#").is_none() && !contains_forbidden_character(&text) {
        return text;
    }
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((start, character)) = find_suspect(rest) {
        repaired.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some(after) = skip_reference_to_no_character(rest) {
            repaired.push(char::REPLACEMENT_CHARACTER);
            rest = after;
            continue;
        }
        if character == '&' {
            repaired.push('&');
        } else {
            // The SDK accepts a forbidden character as a reference.
            repaired.push_str(&format!("&#{};", u32::from(character)));
        }
        rest = &rest[character.len_utf8()..];
    }
    repaired.push_str(rest);
    Cow::Owned(repaired)
}

/// Finds the first forbidden character or beginning of a reference.
fn find_suspect(text: &str) -> Option<(usize, char)> {
    text.char_indices()
        .find(|(_, character)| *character == '&' || is_forbidden_character(*character))
}

/// Whether XML forbids a character. <https://www.w3.org/TR/xml/#charsets>
fn is_forbidden_character(character: char) -> bool {
    matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text has a character for which [`is_forbidden_character`] is true. It works in blocks that the compiler
/// vectorizes, because responses have megabytes.
fn contains_forbidden_character(text: &str) -> bool {
    const BLOCK: usize = 4096;
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    let mut blocks = text.as_bytes().chunks(BLOCK);
    if blocks.any(|block| {
        block
            .iter()
            .fold(false, |has_control, byte| has_control | is_control(byte))
    }) {
        return true;
    }
    let contains = |character: &str| memmem::find(text.as_bytes(), character.as_bytes()).is_some();
    !text.is_ascii() && (contains("\u{fffe}") || contains("\u{ffff}"))
}

/// The text after a reference to a number that is no character; `None` if the text begins with anything else.
fn skip_reference_to_no_character(text: &str) -> Option<&str> {
    let (name, after) = text.strip_prefix('&')?.split_once(';')?;
    let number = name.strip_prefix('#')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_broken = is_number && parse_character_reference(name).is_none();
    is_broken.then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitizer_repairs_characters() {
        for (document, expected) in [
            (&b"<a>caf\xe9</a>"[..], "<a>caf\u{fffd}</a>"),
            (b"<a>\x1b[31m\0\t\r\n</a>", "<a>&#27;[31m&#0;\t\r\n</a>"),
            (b"<a>\xef\xbf\xbf&amp;#x1b;</a>", "<a>&#65535;&amp;#x1b;</a>"),
            (b"<a>&#</a><b>&#;</b>", "<a>&#</a><b>\u{fffd}</b>"),
            (
                b"<a>&#x1b;&#8238;&#xD83D;&#xDE00;&#4294967296;</a>",
                "<a>&#x1b;&#8238;\u{fffd}\u{fffd}\u{fffd}</a>",
            ),
        ] {
            let repaired = repair_if_invalid(document).unwrap();
            assert_eq!(String::from_utf8(repaired).unwrap(), expected);
        }
        for sound in ["<a>na\u{ef}ve \u{202e}&lt;</a>", "", "{\"Token\": \"\u{1b}\"}"] {
            assert_eq!(repair_if_invalid(sound.as_bytes()), None, "{sound:?}");
        }
        assert_eq!(repair_if_invalid(b"\xff"), None);
        for text in [
            "",
            "a\t\r\nb\u{e9}",
            "\0",
            "a\u{1b}b",
            "\u{fffe}",
            "na\u{ffff}",
            "\u{fffd}\u{7f}",
        ] {
            assert_eq!(
                contains_forbidden_character(text),
                text.contains(is_forbidden_character),
                "{text:?}"
            );
        }
    }

    #[test]
    fn sanitizer_removes_comments_and_cdata() {
        for (document, expected) in [
            ("<a><![CDATA[1]]></a>", "<a>1</a>"),
            ("<a>i-<!-- </a> -->0a1<!----></a>", "<a>i-0a1</a>"),
            (
                "<a><![CDATA[<b>&<!--]]]]><![CDATA[>-->]]></a>",
                "<a>&lt;b>&amp;&lt;!--]]>--></a>",
            ),
            (
                "<!-- <![CDATA[ --><a><![CDATA[\u{1b}&#0;]]></a>",
                "<a>&#27;&amp;#0;</a>",
            ),
            ("<!DOCTYPE a><a><!-- --></a>", "<!DOCTYPE a><a></a>"),
        ] {
            let repaired = repair_if_invalid(document.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(repaired).unwrap(), expected);
        }
    }
}
