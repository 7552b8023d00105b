//! Why a server could not be reached, told apart by the types of errors, with its address. Only Compute Engine: EC2's
//! SDK has its own types of errors.

use std::error::Error as StdError;
use std::io::ErrorKind as IoErrorKind;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::error::sentence;
use crate::providers::certificates::{is_authority_itself, words_of_certificate};

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// In words, with the address.
    pub(super) text: String,
    /// The next step, where there is a better one than to try again.
    pub(super) remedy: Option<String>,
    /// Whether the same request would fail in the same way again.
    pub(super) permanent: bool,
}

/// What hyper-util says of a proxy that answers with HTTP status 407: the type of that error is not public.
const PASSWORD_WANTED: &str = "tunnel error: proxy authorization required";

/// What to do about an authority that is not trusted.
const TRUST: &str =
    "set SSL_CERT_FILE to a PEM file with that authority's certificate (gcloud's core/custom_ca_certs_file)";

/// Why a request had no answer; `None` if the error is not one of the network's.
pub(super) fn cause_of(error: &(dyn StdError + 'static)) -> Option<Cause> {
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
            remedy: None,
            permanent: false,
        })
    };
    if let Some(tls) = links(request).find_map(|link| link.downcast_ref::<TlsError>()) {
        return Some(of_tls(tls, &server));
    }
    let io = links(request)
        .filter_map(|link| link.downcast_ref::<std::io::Error>())
        .last();
    match io.map(std::io::Error::kind) {
        Some(IoErrorKind::ConnectionRefused) => return network(format!("connection refused by {next}")),
        Some(IoErrorKind::HostUnreachable | IoErrorKind::NetworkUnreachable) => {
            return network(format!("there is no way through the network to {next}"));
        }
        Some(IoErrorKind::TimedOut) => return network(format!("no connection to {next} in time")),
        Some(IoErrorKind::ConnectionReset | IoErrorKind::ConnectionAborted | IoErrorKind::BrokenPipe) => {
            return network(format!("the connection to {next} was reset"));
        }
        _ => {}
    }
    if request.is_decode() {
        return network(format!("the answer of {server} is not what was asked for"));
    }
    if request.is_timeout() {
        return network(format!("there was no answer from {next} in time"));
    }
    // An error of the system has a number; the look-up of a name gives one without, and is all that comes before that.
    if request.is_connect() && io.is_some_and(|io| io.raw_os_error().is_none()) {
        // An address needs no look-up: the server has sent the call on to another.
        if proxy.is_none() && url.domain().is_none() {
            return network(format!(
                "{server} sent the call on to an address that cannot be reached"
            ));
        }
        let name = match &proxy {
            Some(proxy) => format!("the name of the proxy {proxy}"),
            None => format!("the name {host}"),
        };
        return network(format!("{name} does not resolve"));
    }
    match &proxy {
        Some(proxy) if links(request).any(|link| link.to_string() == PASSWORD_WANTED) => Some(Cause {
            text: format!(
                "the proxy {proxy} asks for a user and a password for {server}, or does not take those it got"
            ),
            remedy: Some("set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT, or add the host to NO_PROXY".to_owned()),
            permanent: true,
        }),
        // The proxy was reached, and has answered the request for a way through it with something else than yes.
        Some(proxy) if request.is_connect() => Some(Cause {
            text: format!(
                "the proxy {proxy} gave no way through to {server}: {}",
                last_words(request)
            ),
            remedy: Some("check HTTPS_PROXY, and the user and password in it, or add the host to NO_PROXY".to_owned()),
            permanent: false,
        }),
        _ => network(format!("no whole answer from {next}")),
    }
}

/// Whether the same request would fail in the same way again.
pub(super) fn is_permanent(error: &(dyn StdError + 'static)) -> bool {
    cause_of(error).is_some_and(|cause| cause.permanent)
}

fn of_tls(error: &TlsError, server: &str) -> Cause {
    let (text, remedy) = match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => (
            format!("the certificate of {server} is of an authority that is not trusted (UnknownIssuer)"),
            TRUST,
        ),
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => (
            format!("the certificate of {server} has expired"),
            "have it renewed, or set this machine's clock if it is wrong",
        ),
        TlsError::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => (
            format!("the certificate of {server} does not hold yet"),
            "set this machine's clock if it is wrong",
        ),
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            format!("the certificate of {server} is for another name"),
            "use the name that the certificate is for",
        ),
        TlsError::InvalidCertificate(certificate) if is_authority_itself(certificate) => (
            format!(
                "the certificate of {server} is of an authority that is not trusted: it is self-signed, as an authority's own"
            ),
            "give the server a certificate that is no authority's itself (CA:FALSE), and set SSL_CERT_FILE to its authority's",
        ),
        TlsError::InvalidCertificate(other) => (
            format!(
                "the certificate of {server} is not valid: {}",
                words_of_certificate(other)
            ),
            "have it replaced",
        ),
        TlsError::PeerIncompatible(_)
        | TlsError::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => (
            format!("{server} has no version of TLS and no cipher that cloudctl speaks"),
            "have the server speak TLS 1.2 or 1.3",
        ),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => (
            format!("{server} asks for a certificate of the caller, and cloudctl has none to show"),
            "use an address that needs none",
        ),
        TlsError::InvalidMessage(_) => (
            format!("{server} does not speak TLS"),
            "write its address with http://, if that is meant, or correct its port",
        ),
        other => {
            let text = format!("no TLS connection to {server}: {}", sentence(&other.to_string()));
            return Cause {
                text,
                remedy: None,
                permanent: false,
            };
        }
    };
    Cause {
        text,
        remedy: Some(remedy.to_owned()),
        permanent: true,
    }
}

/// The address of the proxy that a request for this URL goes to, by the same rules and variables as the SDK's.
fn proxy_for(url: &str) -> Option<String> {
    let proxy = Matcher::from_env().intercept(&url.parse().ok()?)?;
    let uri = proxy.uri();
    Some(match uri.port_u16() {
        Some(port) => format!("{}:{port}", uri.host()?),
        None => uri.host()?.to_owned(),
    })
}

/// The errors of a chain. What an error of I/O is made of comes after it: its `source` would leave that out.
pub(super) fn links<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link: &&'e (dyn StdError + 'static)| {
        let link: &'e (dyn StdError + 'static) = *link;
        let inner = link.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner as &'e (dyn StdError + 'static)),
            None => link.source(),
        }
    })
    .take(32)
}

fn last_words(error: &(dyn StdError + 'static)) -> String {
    links(error)
        .last()
        .map(|link| sentence(&link.to_string()))
        .unwrap_or_default()
}
