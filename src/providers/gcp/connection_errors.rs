//! Why a server of Google could not be reached, with its address.

use std::error::Error as StdError;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::Error as TlsError;

use crate::providers::common::connection_errors::{
    TlsProblem, asks_for_proxy_password, error_chain, io_reason, tls_problem,
};

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The reason in words, with the address.
    pub(crate) text: String,
    /// The next step, if there is a better one than to try again.
    pub(crate) hint: Option<String>,
    /// Whether the same request would fail in the same way again.
    pub(crate) permanent: bool,
}

/// Hint for an authority that is not trusted.
const TRUST_HINT: &str =
    "set SSL_CERT_FILE to a PEM file with that authority's certificate (gcloud's core/custom_ca_certs_file)";

/// Hint for a server whose own certificate is that of an authority.
const REPLACE_HINT: &str =
    "install a server certificate that is not a CA certificate (CA:FALSE), and set SSL_CERT_FILE to its authority's";

impl Cause {
    fn temporary(text: String) -> Self {
        Self {
            text,
            hint: None,
            permanent: false,
        }
    }
}

/// Finds why a request had no answer; `None` if the error is not one of the network.
pub(crate) fn find_cause(error: &(dyn StdError + 'static)) -> Option<Cause> {
    let request_error = error_chain(error).find_map(|link| link.downcast_ref::<reqwest::Error>())?;
    let url = request_error.url()?;
    let host = url.host_str()?;
    let server = match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    if let Some(tls_error) = error_chain(request_error).find_map(|link| link.downcast_ref::<TlsError>()) {
        return Some(describe_tls_error(tls_error, &server));
    }
    let proxy = proxy_for(url.as_str());
    let peer = match &proxy {
        Some(proxy) => format!("the proxy {proxy}"),
        None => server.clone(),
    };
    let io_errors = error_chain(request_error).filter_map(|link| link.downcast_ref::<std::io::Error>());
    let innermost_io_error = io_errors.last();
    if let Some(text) = innermost_io_error.and_then(|error| io_reason(error.kind(), &peer)) {
        return Some(Cause::temporary(text));
    }
    if request_error.is_decode() {
        return Some(Cause::temporary(format!("{server} returned an unexpected response")));
    }
    if request_error.is_timeout() {
        let text = format!("there was no answer from {peer} in time");
        return Some(Cause::temporary(text));
    }
    // A system error has a number. The look-up of a name fails without one, and comes first.
    let has_no_system_error = innermost_io_error.is_some_and(|error| error.raw_os_error().is_none());
    if request_error.is_connect() && has_no_system_error {
        return Some(describe_failed_lookup(url, &server, proxy.as_deref()));
    }
    if let Some(proxy) = proxy
        && let Some(cause) = describe_proxy_refusal(request_error, &proxy, &server)
    {
        return Some(cause);
    }
    Some(Cause::temporary(format!("incomplete response from {peer}")))
}

/// Describes that the name of the proxy or the server was not found.
fn describe_failed_lookup(url: &reqwest::Url, server: &str, proxy: Option<&str>) -> Cause {
    Cause::temporary(match (proxy, url.domain()) {
        (Some(proxy), _) => format!("the name of the proxy {proxy} does not resolve"),
        (None, Some(domain)) => format!("the name {domain} does not resolve"),
        // An address needs no look-up, so the server redirected the call to another address.
        (None, None) => format!("{server} redirected the request to an address that cannot be reached"),
    })
}

/// Describes why a proxy that was reached made no tunnel; `None` if it made one.
fn describe_proxy_refusal(request_error: &reqwest::Error, proxy: &str, server: &str) -> Option<Cause> {
    if asks_for_proxy_password(request_error) {
        return Some(Cause {
            text: format!(
                "the proxy {proxy} requires a user name and password for {server}, or rejected the ones it was given"
            ),
            hint: Some("set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT, or add the host to NO_PROXY".to_owned()),
            permanent: true,
        });
    }
    if request_error.is_connect() {
        return Some(Cause {
            text: format!(
                "the proxy {proxy} did not connect to {server}: {}",
                last_message(request_error)
            ),
            hint: Some("check HTTPS_PROXY, and the user and password in it, or add the host to NO_PROXY".to_owned()),
            permanent: false,
        });
    }
    None
}

/// Says whether the same request would fail in the same way again.
pub(crate) fn is_permanent(error: &(dyn StdError + 'static)) -> bool {
    find_cause(error).is_some_and(|cause| cause.permanent)
}

fn describe_tls_error(error: &TlsError, server: &str) -> Cause {
    let (text, hint) = match tls_problem(error, server) {
        TlsProblem::UnknownAuthority => (
            format!("the certificate of {server} was issued by an untrusted certificate authority (UnknownIssuer)"),
            Some(TRUST_HINT),
        ),
        TlsProblem::CaCertificate => (
            format!("the certificate of {server} is not trusted: it is a self-signed CA certificate"),
            Some(REPLACE_HINT),
        ),
        TlsProblem::Permanent(text, hint) => (text, Some(hint)),
        TlsProblem::Transient(text) => (text, None),
    };
    Cause {
        text,
        hint: hint.map(str::to_owned),
        permanent: hint.is_some(),
    }
}

/// Returns the address of the proxy for a URL, by the same rules and variables as the SDK.
fn proxy_for(url: &str) -> Option<String> {
    let proxy = Matcher::from_env().intercept(&url.parse().ok()?)?;
    let uri = proxy.uri();
    Some(match uri.port_u16() {
        Some(port) => format!("{}:{port}", uri.host()?),
        None => uri.host()?.to_owned(),
    })
}

fn last_message(error: &(dyn StdError + 'static)) -> String {
    error_chain(error)
        .last()
        .map(|link| format_message(&link.to_string()))
        .unwrap_or_default()
}

/// Makes one plain line of the cloud's message: no full stop, lower case at the start.
pub(crate) fn format_message(message: &str) -> String {
    const LONGEST: usize = 500;
    let line = message
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let line: String = line.chars().take(LONGEST).collect();
    let line = line.trim_end_matches('.');
    let mut words = line.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // Change "The resource …", but neither "VM instance …" nor "Compute Engine …".
    let is_plain = first.chars().skip(1).all(char::is_lowercase) && !second.starts_with(char::is_uppercase);
    match line.chars().next() {
        Some(start) if is_plain => format!("{}{}", start.to_lowercase(), &line[start.len_utf8()..]),
        _ => line.to_owned(),
    }
}
