//! Why a server of Google could not be reached, with its address.

use std::error::Error as StdError;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::Error as TlsError;

use crate::providers::common::connection_errors::{TlsProblem, asks_for_proxy_password, io_reason, links, tls_problem};

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

/// Finds why a request had no answer; `None` if the error is not one of the network.
pub(crate) fn find_cause(error: &(dyn StdError + 'static)) -> Option<Cause> {
    let request = links(error).find_map(|link| link.downcast_ref::<reqwest::Error>())?;
    let url = request.url()?;
    let host = url.host_str()?;
    let server = match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let proxy = proxy_for(url.as_str());
    let next = proxy
        .as_ref()
        .map_or_else(|| server.clone(), |proxy| format!("the proxy {proxy}"));
    let network = |text: String| {
        Some(Cause {
            text,
            hint: None,
            permanent: false,
        })
    };
    if let Some(tls) = links(request).find_map(|link| link.downcast_ref::<TlsError>()) {
        return Some(describe_tls_error(tls, &server));
    }
    let io = links(request)
        .filter_map(|link| link.downcast_ref::<std::io::Error>())
        .last();
    if let Some(reason) = io.and_then(|io| io_reason(io.kind(), &next)) {
        return network(reason);
    }
    if request.is_decode() {
        return network(format!("{server} returned an unexpected response"));
    }
    if request.is_timeout() {
        return network(format!("there was no answer from {next} in time"));
    }
    // A system error has a number. The look-up of a name fails without one, and comes first.
    if request.is_connect() && io.is_some_and(|io| io.raw_os_error().is_none()) {
        // An address needs no look-up, so the server redirected the call to another address.
        if proxy.is_none() && url.domain().is_none() {
            return network(format!(
                "{server} redirected the request to an address that cannot be reached"
            ));
        }
        let name = match &proxy {
            Some(proxy) => format!("the name of the proxy {proxy}"),
            None => format!("the name {host}"),
        };
        return network(format!("{name} does not resolve"));
    }
    match &proxy {
        Some(proxy) if asks_for_proxy_password(request) => Some(Cause {
            text: format!(
                "the proxy {proxy} asks for a user and a password for {server}, or does not take those it got"
            ),
            hint: Some("set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT, or add the host to NO_PROXY".to_owned()),
            permanent: true,
        }),
        // The proxy was reached and refused the tunnel.
        Some(proxy) if request.is_connect() => Some(Cause {
            text: format!(
                "the proxy {proxy} did not connect to {server}: {}",
                last_message(request)
            ),
            hint: Some("check HTTPS_PROXY, and the user and password in it, or add the host to NO_PROXY".to_owned()),
            permanent: false,
        }),
        _ => network(format!("incomplete response from {next}")),
    }
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
        TlsProblem::OwnAuthority => (
            format!("the certificate of {server} is not trusted: it is a self-signed CA certificate"),
            Some(REPLACE_HINT),
        ),
        TlsProblem::Permanent(text, hint) => (text, Some(hint)),
        TlsProblem::Passing(text) => (text, None),
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
    links(error)
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
