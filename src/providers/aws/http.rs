//! Only aws has this file: the SDK's HTTP client, with some differences. Its connector is built on first use: the
//! SDK builds one when a client is made, which loads the TLS roots, and throws it away. And an answer that was cut
//! short is an error: the SDK reads half a list as a whole one. And of each answer it is heard what time it is, and mended what
//! its reader of XML would stumble over. The
//! Compute Engine SDK takes no client of ours.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use memchr::memmem;

use super::server_time::{self, ServerTime};

/// Connect and read timeout, which a connector is built with.
type Timeouts = (Option<Duration>, Option<Duration>);

/// Gives each call the connector for its timeouts, and makes it only then.
#[derive(Debug)]
pub(super) struct LazyHttpClient {
    clock: ServerTime,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

impl LazyHttpClient {
    /// One client, to be shared by all services and regions, that tells the clock what it hears.
    pub(super) fn shared(clock: &ServerTime) -> SharedHttpClient {
        SharedHttpClient::new(Self {
            clock: clock.clone(),
            connectors: Mutex::default(),
        })
    }
}

impl HttpClient for LazyHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors
            .entry((settings.connect_timeout(), settings.read_timeout()))
            .or_insert_with(|| {
                let mut builder = Connector::builder()
                    .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                    .connector_settings(settings.clone())
                    // HTTPS_PROXY and NO_PROXY hold, as in the SDK's own client.
                    .proxy_config(ProxyConfig::from_env());
                builder.set_sleep_impl(components.sleep_impl());
                SharedHttpConnector::new(WholeAnswers {
                    connector: SharedHttpConnector::new(builder.build()),
                    clock: self.clock.clone(),
                })
            });
        connector.clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

/// Reads each answer to its end before it hands it on. All of EC2's answers are read whole in any case.
#[derive(Debug)]
struct WholeAnswers {
    connector: SharedHttpConnector,
    clock: ServerTime,
}

impl HttpConnector for WholeAnswers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let requested = server_time::date_of(&request);
        let answer = self.connector.call(request);
        let clock = self.clock.clone();
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            if let Some(requested) = requested {
                clock.hear(requested, &mut response);
            }
            let body = ByteStream::new(response.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
            let mended = mended(&body);
            if is_cut_short(mended.as_deref().unwrap_or(&body)) {
                return Err(ConnectorError::io("the answer was cut short".into()));
            }
            *response.body_mut() = match mended {
                Some(mended) => SdkBody::from(mended),
                None => SdkBody::from(body),
            };
            Ok(response)
        })
    }
}

/// A document that the SDK's reader of XML would refuse, in a form that it takes: one odd character in a tag must not
/// hide a whole region. Nothing if there is nothing to mend.
fn mended(body: &[u8]) -> Option<Vec<u8>> {
    if !body.trim_ascii_start().starts_with(b"<") {
        return None;
    }
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    let is_sound = memmem::find(text.as_bytes(), b"&#").is_none() && !has_no_xml(&text);
    if is_sound {
        return match text {
            Cow::Owned(text) => Some(text.into_bytes()),
            Cow::Borrowed(_) => None,
        };
    }
    let mut mended = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(|letter| letter == '&' || is_no_xml(letter)) {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = without_empty_reference(rest) {
            mended.push(char::REPLACEMENT_CHARACTER);
            rest = after;
        } else if let Some(letter) = rest.chars().next() {
            match letter {
                '&' => mended.push('&'),
                // As a reference it is taken.
                letter => mended.push_str(&format!("&#{};", u32::from(letter))),
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    mended.push_str(rest);
    Some(mended.into_bytes())
}

/// What must not stand in a document as it is. <https://www.w3.org/TR/xml/#charsets>
fn is_no_xml(letter: char) -> bool {
    matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether any of it is [`is_no_xml`], in blocks that the compiler makes quick work of: answers have megabytes.
fn has_no_xml(text: &str) -> bool {
    const BLOCK: usize = 4096;
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    let mut blocks = text.as_bytes().chunks(BLOCK);
    blocks.any(|block| block.iter().fold(false, |found, byte| found | is_control(byte)))
        || !text.is_ascii()
            && ["\u{fffe}", "\u{ffff}"]
                .into_iter()
                .any(|letter| memmem::find(text.as_bytes(), letter.as_bytes()).is_some())
}

/// What follows a reference to a number that is no character.
fn without_empty_reference(text: &str) -> Option<&str> {
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

/// Whether it is one of EC2's or STS's documents without its end. Their root elements are all named `…Response`.
fn is_cut_short(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let Some(document) = body.strip_prefix(b"<") else {
        return false;
    };
    let root = match document.strip_prefix(b"?") {
        None => document,
        Some(declaration) => match memmem::find(declaration, b"?>") {
            Some(end) => {
                let rest = declaration[end + 2..].trim_ascii_start();
                rest.strip_prefix(b"<").unwrap_or_default()
            }
            None => return true,
        },
    };
    let Some(end) = root
        .iter()
        .position(|letter| letter.is_ascii_whitespace() || *letter == b'>')
    else {
        return true;
    };
    let name = &root[..end];
    let complete = body
        .strip_suffix(b">")
        .and_then(|body| body.strip_suffix(name)?.strip_suffix(b"</"));
    name.ends_with(b"Response") && complete.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_end_is_not_taken_for_a_whole_one() {
        let whole = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeRegionsResponse xmlns=\"x\"><requestId>1</requestId>\
                     <name>naïve</name></DescribeRegionsResponse>\n";
        assert!(!is_cut_short(whole.as_bytes()));
        for end in 1..whole.trim_end().len() {
            assert!(is_cut_short(&whole.as_bytes()[..end]), "{end}");
        }
    }

    #[test]
    fn other_documents_are_left_alone() {
        for body in [
            "",
            "{\"Token\":",
            "us-east-1",
            "<!doctype html>\n<title>500</title>",
            "<html><body>",
        ] {
            assert!(!is_cut_short(body.as_bytes()), "{body}");
        }
        assert!(!is_cut_short(b"<Response><Errors/></Response>"));
    }

    #[test]
    fn what_the_reader_of_xml_would_refuse_is_mended() {
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
            let mended = mended(document).unwrap();
            assert_eq!(String::from_utf8(mended).unwrap(), expected);
        }
        for sound in ["<a>na\u{ef}ve \u{202e}&lt;</a>", "", "{\"Token\": \"\u{1b}\"}"] {
            assert_eq!(mended(sound.as_bytes()), None, "{sound:?}");
        }
        assert_eq!(mended(b"\xff"), None);
        for text in [
            "",
            "a\t\r\nb\u{e9}",
            "\0",
            "a\u{1b}b",
            "\u{fffe}",
            "na\u{ffff}",
            "\u{fffd}\u{7f}",
        ] {
            assert_eq!(has_no_xml(text), text.contains(is_no_xml), "{text:?}");
        }
    }
}
