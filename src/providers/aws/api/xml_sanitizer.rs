//! Repairs EC2 XML documents that the SDK cannot parse.
//!
//! The SDK refuses a document with one invalid character in it, and of a text with a comment or CDATA in it the SDK
//! reads only the first part.

use std::borrow::Cow;

use memchr::memmem;

/// Repairs a document, so that one invalid character in a tag does not hide a whole region; `None` if there is
/// nothing to repair.
pub(crate) fn sanitize(body: &[u8]) -> Option<Vec<u8>> {
    if !body.trim_ascii_start().starts_with(b"<") {
        return None;
    }
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    match escape_invalid_characters(replace_sections(text)) {
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

/// Writes each character that XML does not allow as a reference, and each reference to no character as U+FFFD.
fn escape_invalid_characters(text: Cow<'_, str>) -> Cow<'_, str> {
    if memmem::find(text.as_bytes(), b"&#").is_none() && !contains_invalid_character(&text) {
        return text;
    }
    let mut sanitize = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(|letter| letter == '&' || is_invalid_character(letter)) {
        sanitize.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = skip_invalid_reference(rest) {
            sanitize.push(char::REPLACEMENT_CHARACTER);
            rest = after;
        } else if let Some(letter) = rest.chars().next() {
            match letter {
                '&' => sanitize.push('&'),
                // The SDK accepts it as a reference.
                letter => sanitize.push_str(&format!("&#{};", u32::from(letter))),
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    sanitize.push_str(rest);
    Cow::Owned(sanitize)
}

/// Whether XML does not allow a character. <https://www.w3.org/TR/xml/#charsets>
fn is_invalid_character(letter: char) -> bool {
    matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text has a character for which [`is_invalid_character`] is true. It works in blocks that the compiler
/// vectorizes, because responses have megabytes.
fn contains_invalid_character(text: &str) -> bool {
    const BLOCK: usize = 4096;
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    let mut blocks = text.as_bytes().chunks(BLOCK);
    blocks.any(|block| block.iter().fold(false, |found, byte| found | is_control(byte)))
        || !text.is_ascii()
            && ["\u{fffe}", "\u{ffff}"]
                .into_iter()
                .any(|letter| memmem::find(text.as_bytes(), letter.as_bytes()).is_some())
}

/// The text after a reference to a number that is no character.
fn skip_invalid_reference(text: &str) -> Option<&str> {
    let (number, after) = text.strip_prefix("&#")?.split_once(';')?;
    if !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let code = match number.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    code.ok().and_then(char::from_u32).is_none().then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitizer_repairs_invalid_characters() {
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
            let sanitized = sanitize(document).unwrap();
            assert_eq!(String::from_utf8(sanitized).unwrap(), expected);
        }
        for sound in ["<a>na\u{ef}ve \u{202e}&lt;</a>", "", "{\"Token\": \"\u{1b}\"}"] {
            assert_eq!(sanitize(sound.as_bytes()), None, "{sound:?}");
        }
        assert_eq!(sanitize(b"\xff"), None);
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
                contains_invalid_character(text),
                text.contains(is_invalid_character),
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
            let sanitized = sanitize(document.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(sanitized).unwrap(), expected);
        }
    }
}
