//! Decodes text files that users write, and says why a file cannot be read.

use std::fmt;
use std::io;

/// Why the bytes of a file are not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotText {
    /// They are UTF-16, as some Windows editors save it.
    Utf16,
    /// The first line that is not UTF-8, counted from 1.
    Line(usize),
}

impl fmt::Display for NotText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 => formatter.write_str("it is UTF-16 text"),
            Self::Line(line) => write!(formatter, "line {line} is not UTF-8 text"),
        }
    }
}

/// Decodes the bytes of a file, without the byte order mark that some editors put at the start.
///
/// # Errors
/// [`NotText`] if it is not UTF-8.
pub fn utf8_text(bytes: &[u8]) -> Result<&str, NotText> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(NotText::Utf16);
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        NotText::Line(before.iter().filter(|byte| **byte == b'\n').count() + 1)
    })
}

/// Says in words why a file could not be read.
pub fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_text_drops_byte_order_mark() {
        for (bytes, text) in [
            (&b"a\n"[..], Ok("a\n")),
            (b"\xef\xbb\xbfa", Ok("a")),
            (b"", Ok("")),
            (b"\xff\xfea\0", Err(NotText::Utf16)),
            (b"a\nb\xe9", Err(NotText::Line(2))),
            (b"\xef\xbb\xbf\xe9", Err(NotText::Line(1))),
        ] {
            assert_eq!(utf8_text(bytes), text, "{bytes:?}");
        }
    }
}
