//! What is wrong with a server's certificate, and this machine's authorities to check one.

use std::path::Path;
use std::sync::OnceLock;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

use crate::settings::io_reason;

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

/// The PEM text of the system's file of authorities; `None` if there is none or not all of it can be used. It is read
/// once. The system's folder has the same and rarely more, in hundreds of files, which take ten times as long to read.
pub(crate) fn system_bundle() -> Option<&'static [u8]> {
    static BUNDLE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let read = || read_bundle(&openssl_probe::probe().cert_file?).ok();
    BUNDLE.get_or_init(read).as_deref()
}

/// Reads the PEM text of a file with certificates, or says why not.
pub(crate) fn read_bundle(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| io_reason(&error))?;
    // The PEM parser would skip the first certificate after a byte order mark.
    let pem = pem
        .strip_prefix("\u{feff}".as_bytes())
        .map(<[u8]>::to_vec)
        .unwrap_or(pem);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| "its PEM text is broken")?;
        roots
            .add(certificate)
            .map_err(|_| "one of its certificates cannot be used")?;
    }
    match roots.is_empty() {
        true => Err("it has no certificates".to_owned()),
        false => Ok(pem),
    }
}
