//! Adds the TTL timer, `ttl_timer.sh`, to the user data: EC2 itself does not end an instance when its TTL is over.
//!
//! Both become parts of one MIME message. cloud-init treats the user's part as if it were alone.
//!
//! <https://cloudinit.readthedocs.io/en/latest/explanation/format.html>, and for how parts are told apart: `cloudinit/user_data.py` of cloud-init.

use std::io::{self, Read};
use std::time::Duration;

use aws_smithy_types::base64;
use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use crate::cloud::{Error, ErrorKind, Result, format_duration};

/// The maximum size before base64.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>
pub(crate) const MAX_USER_DATA_BYTES: usize = 16 * 1024;
/// The bytes in which cloud-init looks for MIME headers.
const MIME_PREFIX_BYTES: usize = 4096;
/// The first bytes of gzip data. <https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1>
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// <https://www.rfc-editor.org/rfc/rfc2045#section-6.8>
const BASE64_LINE_LENGTH: usize = 76;

/// The format of a user's data beside another part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserDataFormat {
    /// Text that cloud-init recognizes by its first line. It stays as it is.
    Text,
    /// Text in base64: Python's message parser keeps only ASCII as it is.
    EncodedText,
    /// A message with headers of its own.
    Message,
    /// A message, compressed with gzip.
    CompressedMessage,
    /// Other data, compressed with gzip.
    Compressed,
    /// Data that cloud-init does not know; other programs may.
    Binary,
}

impl UserDataFormat {
    fn detect(data: &[u8]) -> Self {
        if data.starts_with(GZIP_MAGIC) {
            return match decompress_prefix(data) {
                Ok(inside) if is_message(&inside) => Self::CompressedMessage,
                _ => Self::Compressed,
            };
        }
        // A carriage return at the end would count as part of the next line end.
        let is_plain = data.is_ascii() && data.last() != Some(&b'\r');
        match std::str::from_utf8(data) {
            Ok(_) if is_message(data) => Self::Message,
            Ok(_) if is_plain => Self::Text,
            Ok(_) => Self::EncodedText,
            // A script can have an archive at its end.
            Err(_) if data.starts_with(b"#") => Self::EncodedText,
            Err(_) => Self::Binary,
        }
    }

    /// The headers of the part, with the empty line after them.
    fn headers(self) -> &'static str {
        match self {
            Self::Text => "Content-Type: text/plain; charset=\"utf-8\"\n\n",
            Self::EncodedText => "Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: base64\n\n",
            Self::Message | Self::CompressedMessage => "",
            Self::Compressed => "Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n",
            Self::Binary => "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n",
        }
    }
}

/// Merges the timer for a TTL with a user's data, which can be empty. The same input gives the same bytes, because EC2 compares them for
/// a token.
///
/// # Errors
/// `InvalidSpec` if both together are larger than EC2 accepts.
pub(crate) fn merge_timer(ttl: Duration, data: &[u8]) -> Result<Vec<u8>> {
    let timer = include_str!("ttl_timer.sh").replace("@TTL@", &format_duration(ttl));
    let boundary = choose_boundary(data, &timer);
    let head = format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n\
         --{boundary}\nContent-Type: text/cloud-boothook\n\n{timer}"
    );
    let end = format!("\n--{boundary}--\n");
    let format = UserDataFormat::detect(data);
    let start = format!("\n--{boundary}\n{}", format.headers());
    let merged = match format {
        _ if data.is_empty() => [head, end].concat().into_bytes(),
        UserDataFormat::Text | UserDataFormat::Message => {
            [head.as_bytes(), start.as_bytes(), data, end.as_bytes()].concat()
        }
        UserDataFormat::EncodedText | UserDataFormat::Compressed | UserDataFormat::Binary => {
            [head, start, encode_lines(data), end].concat().into_bytes()
        }
        // Compressed parts in a row decompress to one text, so the message can stay compressed.
        // https://www.rfc-editor.org/rfc/rfc1952#section-2.2
        UserDataFormat::CompressedMessage => {
            [compress(&[head, start].concat())?, data.to_vec(), compress(&end)?].concat()
        }
    };
    if merged.len() > MAX_USER_DATA_BYTES {
        return Err(Error::invalid(format!(
            "the user data has {} bytes and the timer for --ttl takes {} more, and ec2 takes at most \
             {MAX_USER_DATA_BYTES}",
            data.len(),
            merged.len() - data.len()
        ))
        .with_hint("let a short script fetch the rest, or leave out --ttl"));
    }
    Ok(merged)
}

/// Chooses a boundary that is in neither part.
fn choose_boundary(data: &[u8], timer: &str) -> String {
    let mut digest = Sha256::digest(data);
    loop {
        let digits = hex::encode(&digest[..12]);
        let boundary = format!("cloudctl-{digits}");
        let is_in = |text: &[u8]| text.windows(boundary.len()).any(|window| window == boundary.as_bytes());
        if !is_in(data) && !is_in(timer.as_bytes()) {
            return boundary;
        }
        digest = Sha256::digest(digest);
    }
}

/// Decompresses the prefix that cloud-init looks at.
fn decompress_prefix(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut prefix = Vec::new();
    MultiGzDecoder::new(data)
        .take(MIME_PREFIX_BYTES as u64)
        .read_to_end(&mut prefix)?;
    Ok(prefix)
}

/// Compresses a text without a time stamp, so that the same text always gives the same bytes.
fn compress(text: &str) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let mut reader = GzBuilder::new().mtime(0).read(text.as_bytes(), Compression::best());
    reader.read_to_end(&mut compressed).map_err(|error| {
        let message = "cannot put the timer for --ttl before the user data";
        Error::new(ErrorKind::Internal, message).with_source(error)
    })?;
    Ok(compressed)
}

/// Whether cloud-init treats data as a message, or would with the header for it.
fn is_message(data: &[u8]) -> bool {
    let prefix = String::from_utf8_lossy(&data[..data.len().min(MIME_PREFIX_BYTES)]).to_ascii_lowercase();
    let mut headers = prefix.lines().take_while(|line| !line.is_empty());
    prefix.contains("mime-version:") || headers.any(|line| line.starts_with("content-type: multipart/"))
}

fn encode_lines(data: &[u8]) -> String {
    let encoded = base64::encode(data);
    let lines = encoded.as_bytes().chunks(BASE64_LINE_LENGTH);
    // Base64 is ASCII, so no character is cut.
    lines
        .map(|line| String::from_utf8_lossy(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
#[path = "user_data_tests.rs"]
mod tests;
