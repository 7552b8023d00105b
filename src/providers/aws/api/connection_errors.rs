//! Explains why a server of AWS could not be reached or did not respond, with its address.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind as IoErrorKind;
use std::time::Duration;

use aws_config::imds::client::error::ImdsError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::ErrorMetadata;
use http::Uri;
use rustls::Error as TlsError;

use crate::cloud::ErrorKind;
use crate::providers::aws::configuration::proxy_and_certificates;
use crate::providers::aws::configuration::proxy_and_certificates::{Authorities, Proxy};
use crate::providers::common::connection_errors::{
    TlsProblem, asks_for_proxy_password, error_chain, io_reason, tls_problem,
};

/// A server as messages show it, such as `127.0.0.1:4566`, and its proxy.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    address: String,
    proxy: Option<String>,
}

impl Server {
    pub(crate) fn new(uri: &Uri, proxy: Option<&Proxy>) -> Self {
        Self {
            address: format_address(uri),
            proxy: proxy.map(|proxy| format!("{} ({})", format_address(&proxy.uri), proxy.source)),
        }
    }

    pub(crate) fn is_behind_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// The proxy or server that the connection is made to.
    fn next_hop(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("the proxy {proxy}"),
            None => self.address.clone(),
        }
    }
}

fn format_address(uri: &Uri) -> String {
    let port = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(port))
}

/// Why there was no response.
#[derive(Debug)]
pub(crate) struct Unreachable {
    pub(crate) reason: String,
    /// The kind of the error, for a call that only reads.
    pub(crate) kind: ErrorKind,
    pub(crate) hint: Option<String>,
    source: Option<ConnectorError>,
}

impl Unreachable {
    /// Another attempt may succeed.
    fn transient(reason: String) -> Self {
        Self {
            reason,
            kind: ErrorKind::Network,
            hint: None,
            source: None,
        }
    }

    /// Another attempt would fail in the same way.
    fn permanent(reason: String, hint: String) -> Self {
        Self {
            reason,
            kind: ErrorKind::InvalidSpec,
            hint: Some(hint),
            source: None,
        }
    }

    /// Whether the request was certainly not sent. A server can stop speaking TLS after it got the request.
    pub(crate) fn is_before_request(&self) -> bool {
        let tls = find_cause::<TlsError>(self);
        self.kind == ErrorKind::InvalidSpec && !matches!(tls, Some(TlsError::InvalidMessage(_)))
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl StdError for Unreachable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// The error for a server that did not respond within `time`.
pub(crate) fn timeout_error(server: &Server, time: Duration) -> ConnectorError {
    let seconds = time.as_secs();
    let through = match &server.proxy {
        Some(proxy) => format!(" through the proxy {proxy}"),
        None => String::new(),
    };
    let unreachable = Unreachable::transient(format!("no answer from {}{through} within {seconds} s", server.address));
    ConnectorError::timeout(unreachable.into())
}

/// The error for a failure that would repeat. The SDK does not retry it.
pub(crate) fn permanent_error(reason: String, hint: String) -> ConnectorError {
    ConnectorError::other(Unreachable::permanent(reason, hint).into(), None)
}

/// The error for a proxy that answers with HTTP status 407.
pub(crate) fn proxy_password_error(server: &Server) -> ConnectorError {
    let (reason, hint) = describe_proxy_password(server);
    permanent_error(reason, hint)
}

fn describe_proxy_password(server: &Server) -> (String, String) {
    let hint = "write the proxy's address as http://USER:PASSWORD@HOST:PORT, or add the server to NO_PROXY";
    let reason = format!(
        "{} requires a user name and password, or rejected the ones it was given",
        server.next_hop()
    );
    (reason, hint.to_owned())
}

/// Adds the reason to an error. A failure that would repeat is not retried.
pub(crate) fn add_reason(error: ConnectorError, server: &Server, authorities: Option<&Authorities>) -> ConnectorError {
    if error_chain(&error).any(|link| link.is::<Unreachable>()) {
        return error;
    }
    let is_timeout = error.is_timeout();
    let is_io = error.is_io();
    let retry = error.as_other();
    let mut unreachable = find_reason(&error, server, authorities);
    unreachable.source = Some(error);
    match unreachable.kind {
        ErrorKind::Network if is_timeout => ConnectorError::timeout(unreachable.into()),
        ErrorKind::Network if is_io => ConnectorError::io(unreachable.into()),
        ErrorKind::Network => ConnectorError::other(unreachable.into(), retry),
        _ => ConnectorError::other(unreachable.into(), None),
    }
}

/// Describes the innermost cause of an error. A response of the cloud is described by its code and message, because
/// its error displays only its debug form.
pub(crate) fn describe_root_cause(error: &(dyn StdError + 'static)) -> String {
    if let Some(unreachable) = find_cause::<Unreachable>(error) {
        return unreachable.reason.clone();
    }
    // This error displays the whole response in its debug form.
    if let Some(ImdsError::ErrorResponse(response)) = find_cause::<ImdsError>(error) {
        let status = response.response().status().as_u16();
        return format!("the metadata service answered with HTTP status {status}");
    }
    let innermost = error_chain(error).last().map(ToString::to_string).unwrap_or_default();
    let text = match find_cause::<ErrorMetadata>(error).map(|metadata| (metadata.code(), metadata.message())) {
        Some((Some(code), Some(message))) => format!("{code}: {message}"),
        Some((Some(text), None) | (None, Some(text))) => text.to_owned(),
        Some((None, None)) | None => innermost,
    };
    let one_line = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    // The SDK displays a status in its debug form.
    match one_line.split_once("StatusCode(") {
        Some((before, after)) => format!("{before}HTTP status {}", after.replacen(')', "", 1)),
        None => one_line,
    }
}

/// Finds the error of a type among an error and its causes.
pub(crate) fn find_cause<'a, Wanted: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a Wanted> {
    error_chain(error).find_map(|link| link.downcast_ref())
}

fn find_reason(error: &ConnectorError, server: &Server, authorities: Option<&Authorities>) -> Unreachable {
    let next_hop = server.next_hop();
    if let Some(tls) = find_cause::<TlsError>(error) {
        return find_tls_reason(tls, server, authorities);
    }
    if error_chain(error).any(|link| link.is::<ResolveDnsError>()) {
        let name = match &server.proxy {
            Some(proxy) => format!("the name of the proxy {proxy}"),
            None => format!("the name in {}", server.address),
        };
        return Unreachable::transient(format!("{name} does not resolve"));
    }
    if asks_for_proxy_password(error) {
        let (reason, hint) = describe_proxy_password(server);
        return Unreachable::permanent(reason, hint);
    }
    let io = find_cause::<std::io::Error>(error).map(std::io::Error::kind);
    if let Some(reason) = io.and_then(|kind| io_reason(kind, &next_hop)) {
        return Unreachable::transient(reason);
    }
    if error.is_timeout() {
        return Unreachable::transient(format!("no connection to {next_hop} in time"));
    }
    if io == Some(IoErrorKind::UnexpectedEof) {
        return Unreachable::transient(format!("the connection to {next_hop} was closed too early"));
    }
    let root = describe_root_cause(error);
    let address = &server.address;
    Unreachable::transient(match &server.proxy {
        Some(proxy) => format!("no connection to {address} through the proxy {proxy}: {root}"),
        None => format!("incomplete response from {address}: {root}"),
    })
}

fn find_tls_reason(error: &TlsError, server: &Server, authorities: Option<&Authorities>) -> Unreachable {
    let address = &server.address;
    match tls_problem(error, address) {
        TlsProblem::UnknownAuthority => Unreachable::permanent(
            format!("the certificate of {address} was issued by an unknown certificate authority"),
            proxy_and_certificates::trust_hint(authorities),
        ),
        TlsProblem::CaCertificate => Unreachable::permanent(
            format!("the certificate of {address} is not trusted: it is a self-signed CA certificate"),
            proxy_and_certificates::replace_hint(authorities),
        ),
        TlsProblem::Permanent(reason, hint) => Unreachable::permanent(reason, hint.to_owned()),
        TlsProblem::Transient(reason) => Unreachable::transient(reason),
    }
}
