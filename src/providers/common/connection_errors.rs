//! Explains why a server could not be reached, in the same words for every cloud. The types of the errors decide.

use std::error::Error as StdError;
use std::io::ErrorKind as IoErrorKind;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::certificates::{describe_certificate_error, is_authority_certificate};

/// An error and its causes. The error inside an `io::Error` comes after it: `source` leaves it out.
pub(in crate::providers) fn error_chain<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link: &&'e (dyn StdError + 'static)| {
        let link: &'e (dyn StdError + 'static) = *link;
        match link.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &'e (dyn StdError + 'static)),
            None => link.source(),
        }
    })
}

/// Why there is no connection to `server`, which can be a proxy; `None` if the kind of the error does not say.
pub(in crate::providers) fn io_reason(kind: IoErrorKind, server: &str) -> Option<String> {
    match kind {
        IoErrorKind::ConnectionRefused => Some(format!("connection refused by {server}")),
        IoErrorKind::HostUnreachable | IoErrorKind::NetworkUnreachable => {
            Some(format!("the network has no route to {server}"))
        }
        IoErrorKind::TimedOut => Some(format!("no connection to {server} in time")),
        IoErrorKind::ConnectionReset | IoErrorKind::ConnectionAborted | IoErrorKind::BrokenPipe => {
            Some(format!("the connection to {server} was reset"))
        }
        _ => None,
    }
}

/// Says whether a proxy answered with HTTP status 407. The type of hyper-util's error for this is not public.
pub(in crate::providers) fn asks_for_proxy_password(error: &(dyn StdError + 'static)) -> bool {
    error_chain(error).any(|link| link.to_string() == "tunnel error: proxy authorization required")
}

/// Why there is no TLS connection.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::providers) enum TlsProblem {
    /// The certificate is of an unknown authority. Which setting adds one depends on the cloud.
    UnknownAuthority,
    /// The certificate is an authority's own, which is not valid for a server.
    CaCertificate,
    /// Another attempt would fail in the same way. Has the reason and the hint.
    Permanent(String, &'static str),
    /// Another attempt may succeed. Has the reason.
    Transient(String),
}

/// What is wrong with the TLS connection to `server`.
pub(in crate::providers) fn tls_problem(error: &TlsError, server: &str) -> TlsProblem {
    use TlsProblem::{CaCertificate, Permanent, Transient, UnknownAuthority};
    match error {
        TlsError::InvalidCertificate(problem) => match problem {
            CertificateError::UnknownIssuer => UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Permanent(
                format!("the certificate of {server} has expired"),
                "have it renewed, or set this machine's clock if it is wrong",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Permanent(
                format!("the certificate of {server} is not valid yet"),
                "set this machine's clock if it is wrong",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Permanent(
                format!("the certificate of {server} is for another name"),
                "use the name that the certificate is for",
            ),
            other if is_authority_certificate(other) => CaCertificate,
            other => Permanent(
                format!(
                    "the certificate of {server} is not valid: {}",
                    describe_certificate_error(other)
                ),
                "have it replaced",
            ),
        },
        TlsError::PeerIncompatible(_)
        | TlsError::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => Permanent(
            format!("{server} supports no TLS version or cipher that cloudctl supports"),
            "enable TLS 1.2 or 1.3 on the server",
        ),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => Permanent(
            format!("{server} requires a client certificate, which cloudctl does not support"),
            "use an address that needs none",
        ),
        TlsError::InvalidMessage(_) => Permanent(
            format!("{server} does not speak TLS"),
            "write its address with http://, if that is meant, or correct its port",
        ),
        other => Transient(format!("no TLS connection to {server}: {other}")),
    }
}
