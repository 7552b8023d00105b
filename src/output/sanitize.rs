//! Writes JSON, and YAML in flow style, with an escape for every character that could control a terminal. The values stay
//! the same.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::terminal_text::is_unsafe;

/// The output language. The two differ in the escapes of characters beyond 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    /// Escapes as two halves: <https://www.rfc-editor.org/rfc/rfc8259#section-7>
    Json,
    /// Escapes in one piece: <https://yaml.org/spec/1.2.2/#57-escaped-characters>
    Yaml,
}

/// Writes a value as JSON, and a line break.
pub(super) fn write_value<F: Formatter>(out: &mut dyn Write, value: &impl Serialize, formatter: F) -> io::Result<()> {
    let language = Language::Json;
    write_escaped(out, value, EscapingFormatter { formatter, language })
}

/// Writes a value as YAML in flow style, and a line break.
pub(super) fn write_flow_yaml<F: Formatter>(
    out: &mut dyn Write,
    value: &impl Serialize,
    formatter: F,
) -> io::Result<()> {
    let language = Language::Yaml;
    write_escaped(out, value, EscapingFormatter { formatter, language })
}

fn write_escaped<F: Formatter>(
    out: &mut dyn Write,
    value: &impl Serialize,
    formatter: EscapingFormatter<F>,
) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, formatter))?;
    writeln!(out)
}

/// Formats strings with escapes, and leaves all else to another formatter.
struct EscapingFormatter<F> {
    formatter: F,
    language: Language,
}

/// Forwards these methods to the inner formatter.
macro_rules! forward {
    ($($name:ident($($value:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $value: $type)*) -> io::Result<()> {
            self.formatter.$name(writer $(, $value)*)
        })*
    };
}

impl<F: Formatter> Formatter for EscapingFormatter<F> {
    forward! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all text is printable ASCII, and a check of its bytes is fast.
        if fragment.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        for piece in fragment.split_inclusive(is_unsafe) {
            let Some(last) = piece.chars().next_back().filter(|last| is_unsafe(*last)) else {
                writer.write_all(piece.as_bytes())?;
                continue;
            };
            writer.write_all(&piece.as_bytes()[..piece.len() - last.len_utf8()])?;
            if self.language == Language::Yaml && u32::from(last) > 0xffff {
                write!(writer, "\\U{:08x}", u32::from(last))?;
                continue;
            }
            for unit in last.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
