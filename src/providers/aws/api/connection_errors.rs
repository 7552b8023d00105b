//! Why a server of AWS could not be reached or did not answer, with its address.

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
use crate::providers::aws::configuration::connection;
use crate::providers::aws::configuration::connection::{Authorities, Proxy};
use crate::providers::common::connection_errors::{TlsProblem, io_reason, links, tls_problem};

/// What hyper-util says of a proxy that answers with HTTP status 407: the type of that error is not public.
const PASSWORD_WANTED: &str = "tunnel error: proxy authorization required";

/// A server as it is shown: `127.0.0.1:4566`, and the proxy that it is asked through.
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

    /// The one that a connection is made to.
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

/// Why there was no answer.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// In words, with the address.
    pub(crate) reason: String,
    /// The kind of error that it is for a call that only reads.
    pub(crate) kind: ErrorKind,
    pub(crate) hint: Option<String>,
    source: Option<ConnectorError>,
}

impl Unreachable {
    /// Whether it is certain that the request was not sent. A server that stops speaking TLS may do so after it.
    pub(crate) fn is_before_request(&self) -> bool {
        let tls = links(self).find_map(|link| link.downcast_ref::<TlsError>());
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

/// The error for a server that was silent for too long.
pub(crate) fn timeout_error(server: &Server, time: Duration) -> ConnectorError {
    let seconds = time.as_secs();
    let through = match &server.proxy {
        Some(proxy) => format!(" through the proxy {proxy}"),
        None => String::new(),
    };
    let unreachable = Unreachable {
        reason: format!("no answer from {}{through} within {seconds} s", server.address),
        kind: ErrorKind::Network,
        hint: None,
        source: None,
    };
    ConnectorError::timeout(unreachable.into())
}

/// The error for what would fail again in the same way, in words and with the next step.
pub(crate) fn permanent_error(reason: String, hint: String) -> ConnectorError {
    let unreachable = Unreachable {
        reason,
        kind: ErrorKind::InvalidSpec,
        hint: Some(hint),
        source: None,
    };
    ConnectorError::other(unreachable.into(), None)
}

/// The error for a proxy that answers with HTTP status 407.
pub(crate) fn proxy_password_error(server: &Server) -> ConnectorError {
    let (reason, hint) = describe_proxy_password(server);
    permanent_error(reason, hint)
}

fn describe_proxy_password(server: &Server) -> (String, String) {
    let hint = "write the proxy's address as http://USER:PASSWORD@HOST:PORT, or add the server to NO_PROXY";
    let reason = format!(
        "{} asks for a user and a password, or does not take those it got",
        server.next_hop()
    );
    (reason, hint.to_owned())
}

/// The error with its reason in words. What would fail again in the same way is not retried.
pub(crate) fn add_reason(error: ConnectorError, server: &Server, authorities: Option<&Authorities>) -> ConnectorError {
    if links(&error).any(|link| link.is::<Unreachable>()) {
        return error;
    }
    let is_timeout = error.is_timeout();
    let is_io = error.is_io();
    let retry = error.as_other();
    let (reason, kind, hint) = find_reason(&error, server, authorities);
    let unreachable = Unreachable {
        reason,
        kind,
        hint,
        source: Some(error),
    };
    match kind {
        ErrorKind::Network if is_timeout => ConnectorError::timeout(unreachable.into()),
        ErrorKind::Network if is_io => ConnectorError::io(unreachable.into()),
        ErrorKind::Network => ConnectorError::other(unreachable.into(), retry),
        _ => ConnectorError::other(unreachable.into(), None),
    }
}

fn find_reason(
    error: &ConnectorError,
    server: &Server,
    authorities: Option<&Authorities>,
) -> (String, ErrorKind, Option<String>) {
    let network = |reason: String| (reason, ErrorKind::Network, None);
    let next_hop = server.next_hop();
    if let Some(tls) = links(error).find_map(|link| link.downcast_ref::<TlsError>()) {
        return find_tls_reason(tls, server, authorities);
    }
    if links(error).any(|link| link.is::<ResolveDnsError>()) {
        let name = match &server.proxy {
            Some(proxy) => format!("the name of the proxy {proxy}"),
            None => format!("the name in {}", server.address),
        };
        return network(format!("{name} does not resolve"));
    }
    if links(error).any(|link| link.to_string() == PASSWORD_WANTED) {
        let (reason, hint) = describe_proxy_password(server);
        return (reason, ErrorKind::InvalidSpec, Some(hint));
    }
    let io = links(error).find_map(|link| link.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
    if let Some(reason) = io.and_then(|kind| io_reason(kind, &next_hop)) {
        return network(reason);
    }
    if error.is_timeout() {
        return network(format!("no connection to {next_hop} in time"));
    }
    if io == Some(IoErrorKind::UnexpectedEof) {
        return network(format!("the connection to {next_hop} was closed too early"));
    }
    let root = describe_root_cause(error);
    match &server.proxy {
        Some(proxy) => network(format!(
            "no connection to {} through the proxy {proxy}: {root}",
            server.address
        )),
        None => network(format!("no whole answer from {}: {root}", server.address)),
    }
}

fn find_tls_reason(
    error: &TlsError,
    server: &Server,
    authorities: Option<&Authorities>,
) -> (String, ErrorKind, Option<String>) {
    match tls_problem(error, &server.address) {
        TlsProblem::UnknownAuthority => (
            format!("the certificate of {} is of an unknown authority", server.address),
            ErrorKind::InvalidSpec,
            Some(connection::trust_hint(authorities)),
        ),
        TlsProblem::OwnAuthority => (
            format!(
                "the certificate of {} is of an unknown authority: it is self-signed, as an authority's own",
                server.address
            ),
            ErrorKind::InvalidSpec,
            Some(connection::replace_hint(authorities)),
        ),
        TlsProblem::Permanent(reason, hint) => (reason, ErrorKind::InvalidSpec, Some(hint.to_owned())),
        TlsProblem::Passing(reason) => (reason, ErrorKind::Network, None),
    }
}

/// What the innermost error says, which mostly is the real cause. An answer of a cloud is told by its code and words: its
/// error displays nothing but its debug form.
pub(crate) fn describe_root_cause(error: &(dyn StdError + 'static)) -> String {
    if let Some(unreachable) = links(error).find_map(|link| link.downcast_ref::<Unreachable>()) {
        return unreachable.reason.clone();
    }
    // It displays the whole answer in its debug form.
    if let Some(ImdsError::ErrorResponse(answer)) = links(error).find_map(|link| link.downcast_ref::<ImdsError>()) {
        let status = answer.response().status().as_u16();
        return format!("the metadata service answered with HTTP status {status}");
    }
    let with_sdk_details = links(error).find_map(|link| link.downcast_ref::<ErrorMetadata>());
    let with_sdk_details = with_sdk_details.and_then(|meta| {
        let words = [meta.code(), meta.message()].into_iter().flatten().collect::<Vec<_>>();
        (!words.is_empty()).then(|| words.join(": "))
    });
    let text = with_sdk_details.unwrap_or_else(|| links(error).last().map(ToString::to_string).unwrap_or_default());
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    // The SDK's debug form of a status.
    match text.split_once("StatusCode(") {
        Some((before, after)) => format!("{before}HTTP status {}", after.replacen(')', "", 1)),
        None => text,
    }
}
