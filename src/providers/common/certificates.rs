//! What is wrong with a server's certificate, and whether this machine has authorities to check one.

use std::sync::OnceLock;

use rustls::{CertificateError, RootCertStore};

/// Whether the server uses the certificate of an authority as its own, as `openssl req -x509` creates it. Trusting
/// more authorities does not help.
pub(crate) fn is_authority_certificate(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else {
        return false;
    };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Describes what is wrong with a certificate. The library displays these errors in their debug form.
pub(crate) fn describe_certificate_error(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::Revoked => "it was revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "it is not for a server",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way that cloudctl does not support"
        }
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that cloudctl does not know",
        _ => "it does not meet the requirements for server certificates",
    }
}

/// Whether this machine has certificate authorities, or `SSL_CERT_FILE` or `SSL_CERT_DIR` names some. They are read
/// once.
pub(crate) fn has_system_authorities() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let (parsed, _) = RootCertStore::empty().add_parsable_certificates(certificates);
        parsed > 0
    })
}
