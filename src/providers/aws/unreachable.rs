//! Why a server could not be reached or did not answer, told apart by the types of errors, with its address.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind as IoErrorKind;
use std::time::Duration;

use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use http::Uri;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::connection::{Authorities, Proxy};
use super::error::links;
use crate::cloud::ErrorKind;
use crate::providers::certificates::{is_authority_itself, words_of_certificate};

/// What hyper-util says of a proxy that answers with HTTP status 407: the type of that error is not public.
const PASSWORD_WANTED: &str = "tunnel error: proxy authorization required";

/// A server as it is shown: `127.0.0.1:4566`, and the proxy that it is asked through.
#[derive(Clone, Debug)]
pub(super) struct Server {
    address: String,
    proxy: Option<String>,
}

impl Server {
    pub(super) fn of(uri: &Uri, proxy: Option<&Proxy>) -> Self {
        Self {
            address: address_of(uri),
            proxy: proxy.map(|proxy| format!("{} ({})", address_of(&proxy.uri), proxy.source)),
        }
    }

    /// The one that a connection is made to.
    fn next(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("the proxy {proxy}"),
            None => self.address.clone(),
        }
    }
}

fn address_of(uri: &Uri) -> String {
    let port = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(port))
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) struct Unreachable {
    /// In words, with the address.
    pub(super) reason: String,
    /// The kind of error that it is for a call that only reads.
    pub(super) kind: ErrorKind,
    pub(super) remedy: Option<String>,
    source: Option<ConnectorError>,
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
pub(super) fn silent(server: &Server, time: Duration) -> ConnectorError {
    let seconds = time.as_secs();
    let through = match &server.proxy {
        Some(proxy) => format!(" through the proxy {proxy}"),
        None => String::new(),
    };
    let unreachable = Unreachable {
        reason: format!("no answer from {}{through} within {seconds} s", server.address),
        kind: ErrorKind::Network,
        remedy: None,
        source: None,
    };
    ConnectorError::timeout(unreachable.into())
}

/// The error for what no repetition can cure, in words and with the next step.
pub(super) fn refused(reason: String, remedy: String) -> ConnectorError {
    let unreachable = Unreachable {
        reason,
        kind: ErrorKind::InvalidSpec,
        remedy: Some(remedy),
        source: None,
    };
    ConnectorError::other(unreachable.into(), None)
}

/// The error for a proxy that answers with HTTP status 407.
pub(super) fn password_wanted(server: &Server) -> ConnectorError {
    let (reason, remedy) = words_of_password(server);
    refused(reason, remedy)
}

fn words_of_password(server: &Server) -> (String, String) {
    let remedy = "write the proxy's address as http://USER:PASSWORD@HOST:PORT, or add the server to NO_PROXY";
    let reason = format!(
        "{} asks for a user and a password, or does not take those it got",
        server.next()
    );
    (reason, remedy.to_owned())
}

/// The error with its reason in words. What a repetition cannot cure is not repeated.
pub(super) fn explained(error: ConnectorError, server: &Server, authorities: Option<&Authorities>) -> ConnectorError {
    if links(&error).any(|link| link.is::<Unreachable>()) {
        return error;
    }
    let is_timeout = error.is_timeout();
    let is_io = error.is_io();
    let retry = error.as_other();
    let (reason, kind, remedy) = reason(&error, server, authorities);
    let unreachable = Unreachable {
        reason,
        kind,
        remedy,
        source: Some(error),
    };
    match kind {
        ErrorKind::Network if is_timeout => ConnectorError::timeout(unreachable.into()),
        ErrorKind::Network if is_io => ConnectorError::io(unreachable.into()),
        ErrorKind::Network => ConnectorError::other(unreachable.into(), retry),
        _ => ConnectorError::other(unreachable.into(), None),
    }
}

fn reason(
    error: &ConnectorError,
    server: &Server,
    authorities: Option<&Authorities>,
) -> (String, ErrorKind, Option<String>) {
    let network = |reason: String| (reason, ErrorKind::Network, None);
    let next = server.next();
    if let Some(tls) = links(error).find_map(|link| link.downcast_ref::<TlsError>()) {
        return of_tls(tls, server, authorities);
    }
    if links(error).any(|link| link.is::<ResolveDnsError>()) {
        let name = match &server.proxy {
            Some(proxy) => format!("the name of the proxy {proxy}"),
            None => format!("the name in {}", server.address),
        };
        return network(format!("{name} does not resolve"));
    }
    if links(error).any(|link| link.to_string() == PASSWORD_WANTED) {
        let (reason, remedy) = words_of_password(server);
        return (reason, ErrorKind::InvalidSpec, Some(remedy));
    }
    let io = links(error).find_map(|link| link.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
    match io {
        Some(IoErrorKind::ConnectionRefused) => return network(format!("connection refused by {next}")),
        Some(IoErrorKind::HostUnreachable | IoErrorKind::NetworkUnreachable) => {
            return network(format!("there is no way through the network to {next}"));
        }
        _ if error.is_timeout() => return network(format!("no connection to {next} in time")),
        Some(IoErrorKind::ConnectionReset | IoErrorKind::ConnectionAborted | IoErrorKind::BrokenPipe) => {
            return network(format!("the connection to {next} was reset"));
        }
        Some(IoErrorKind::UnexpectedEof) => return network(format!("the connection to {next} was closed too early")),
        _ => {}
    }
    let root = super::error::root_words(error);
    match &server.proxy {
        Some(proxy) => network(format!(
            "no connection to {} through the proxy {proxy}: {root}",
            server.address
        )),
        None => network(format!("no whole answer from {}: {root}", server.address)),
    }
}

fn of_tls(error: &TlsError, server: &Server, authorities: Option<&Authorities>) -> (String, ErrorKind, Option<String>) {
    let address = &server.address;
    let wrong = |reason: String, remedy: &str| (reason, ErrorKind::InvalidSpec, Some(remedy.to_owned()));
    match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            let (kind, reason, remedy) = super::connection::unknown_authority(address, authorities);
            (reason, kind, Some(remedy))
        }
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => wrong(
            format!("the certificate of {address} has expired"),
            "have it renewed, or set this machine's clock if it is wrong",
        ),
        TlsError::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            wrong(
                format!("the certificate of {address} does not hold yet"),
                "set this machine's clock if it is wrong",
            )
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => wrong(
            format!("the certificate of {address} is for another name"),
            "use the name that the certificate is for",
        ),
        TlsError::InvalidCertificate(certificate) if is_authority_itself(certificate) => {
            let (kind, reason, remedy) = super::connection::own_authority(address, authorities);
            (reason, kind, Some(remedy))
        }
        TlsError::InvalidCertificate(other) => wrong(
            format!(
                "the certificate of {address} is not valid: {}",
                words_of_certificate(other)
            ),
            "have it replaced",
        ),
        TlsError::PeerIncompatible(_)
        | TlsError::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => wrong(
            format!("{address} has no version of TLS and no cipher that cloudctl speaks"),
            "have the server speak TLS 1.2 or 1.3",
        ),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => wrong(
            format!("{address} asks for a certificate of the caller, and cloudctl has none to show"),
            "use an address that needs none",
        ),
        TlsError::InvalidMessage(_) => wrong(
            format!("{address} does not speak TLS"),
            "write its address with http://, if that is meant, or correct its port",
        ),
        other => (
            format!("no TLS connection to {address}: {other}"),
            ErrorKind::Network,
            None,
        ),
    }
}
