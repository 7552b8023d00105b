//! How AWS is reached: the proxies and the certificate authorities.
//!
//! <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-proxy.html>

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use super::{Configuration, setting_name};
use crate::cloud::{Error, Result, path_text};
use crate::providers::common::certificates::{has_system_authorities, read_bundle, system_bundle};
use crate::providers::common::endpoint_address::{has_valid_or_no_port, is_host, shown_address, shown_proxy};
use crate::settings::{Environment, SourcedValue};

/// The proxies, the hosts that are reached without a proxy, and the trusted authorities.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    pub(crate) http_proxy: Option<Proxy>,
    pub(crate) https_proxy: Option<Proxy>,
    pub(crate) no_proxy: NoProxyList,
    /// The setting that `no_proxy` comes from.
    pub(crate) no_proxy_setting: Option<SourcedValue>,
    /// The authorities that are trusted instead of the system's.
    pub(crate) authorities: Option<Authorities>,
    /// What takes the place of the system's authorities.
    ssl_variable: Option<SslVariable>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Proxy {
    /// The address, with user and password if it has them.
    pub(crate) uri: Uri,
    pub(crate) source: String,
}

impl Proxy {
    /// The address without user and password.
    pub(crate) fn address(&self) -> String {
        shown_proxy(&self.uri)
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.address())
    }
}

/// Certificates that are trusted instead of the system's.
#[derive(Clone, Debug)]
pub(crate) struct Authorities {
    pub(crate) pem: Vec<u8>,
    pub(crate) file: String,
    pub(crate) source: String,
    /// The setting's name in messages.
    name: String,
}

impl Connection {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// `InvalidSpec` that names the setting, for a proxy with an invalid address or a file without certificates.
    pub(crate) fn from_configuration(configuration: &Configuration) -> Result<Self> {
        // Lower case has priority, as in the AWS CLI and curl.
        let find_variable = |names: &[&str]| names.iter().find_map(|name| configuration.variable(name));
        let http_proxy_setting = find_variable(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]);
        let https_proxy_setting = find_variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let no_proxy_setting = find_variable(&["no_proxy", "NO_PROXY"]);
        Ok(Self {
            http_proxy: http_proxy_setting.as_ref().map(parse_proxy).transpose()?,
            https_proxy: https_proxy_setting.as_ref().map(parse_proxy).transpose()?,
            no_proxy: NoProxyList::new(no_proxy_setting.as_ref().map_or("", |setting| &setting.value)),
            no_proxy_setting,
            authorities: find_authorities(configuration)?,
            ssl_variable: SslVariable::find(&configuration.environment),
        })
    }

    pub(crate) fn without_proxies(&self) -> Self {
        Self {
            authorities: self.authorities.clone(),
            ssl_variable: self.ssl_variable.clone(),
            ..Self::default()
        }
    }

    /// The reason and the hint if no authority is trusted at all. The SDK's client would panic.
    pub(crate) fn find_missing_authorities(&self) -> Option<(String, String)> {
        if self.authorities.is_some() || self.system_bundle().is_some() || has_system_authorities() {
            return None;
        }
        let hint = "name a PEM file of authorities with AWS_CA_BUNDLE or SSL_CERT_FILE";
        Some(match self.ssl_variable.as_ref().and_then(SslVariable::find_problem) {
            Some(problem) => (problem, format!("correct the variable, or {hint}")),
            None => (
                "this machine has no CA certificates to verify the server with".to_owned(),
                format!("install them (in most distributions the package ca-certificates), or {hint}"),
            ),
        })
    }

    /// The system's file of authorities, if that is what counts here.
    pub(crate) fn system_bundle(&self) -> Option<&'static [u8]> {
        match self.ssl_variable {
            None => system_bundle(),
            Some(_) => None,
        }
    }

    /// The proxy for a request; `None` if it goes to the server directly.
    pub(crate) fn proxy_for(&self, uri: &Uri) -> Option<&Proxy> {
        let is_secure = uri.scheme_str() == Some("https");
        let proxy = if is_secure { &self.https_proxy } else { &self.http_proxy };
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        if self.no_proxy.includes(uri.host().unwrap_or_default(), port) {
            return None;
        }
        proxy.as_ref()
    }
}

/// Parses a proxy that an environment variable names.
fn parse_proxy(setting: &SourcedValue) -> Result<Proxy> {
    match parse_proxy_address(&setting.value) {
        Ok(uri) => Ok(Proxy {
            uri,
            source: setting.source.clone(),
        }),
        Err(problem) => {
            let variable = setting.variable_name().unwrap_or(&setting.source);
            let address = shown_address(&setting.value);
            Err(Error::invalid(format!("{variable} is {address}, which {problem}"))
                .with_hint("write it as http://proxy.example.com:3128, or unset it"))
        }
    }
}

/// Parses the address of a proxy, or says what is wrong with it.
fn parse_proxy_address(address: &str) -> Result<Uri, &'static str> {
    let address_with_scheme = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let uri: Uri = address_with_scheme.parse().map_err(|_| "is not an address")?;
    let scheme = uri.scheme_str().ok_or("is not an address")?;
    if !matches!(scheme, "http" | "https") {
        return Err("is a proxy of a kind that cloudctl does not support");
    }
    let authority = uri.authority().ok_or("names no host")?;
    if !is_host(authority.host()) {
        return Err("names no host");
    }
    if !has_valid_or_no_port(authority) {
        return Err("has an invalid port");
    }
    Ok(uri)
}

/// Finds the authorities that botocore would trust instead of the system's.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>
fn find_authorities(configuration: &Configuration) -> Result<Option<Authorities>> {
    if let Some(setting) = configuration.setting("AWS_CA_BUNDLE", "ca_bundle") {
        return load_bundle(configuration, &setting).map(Some);
    }
    // As in botocore, which uses `requests`.
    if let Some(setting) = configuration.variable("REQUESTS_CA_BUNDLE") {
        return load_bundle(configuration, &setting).map(Some);
    }
    Ok(None)
}

/// A variable that replaces the system's authorities. The SDK's HTTP client reads it itself: it keeps white space and
/// does not expand a tilde.
#[derive(Clone, Debug)]
enum SslVariable {
    /// `SSL_CERT_FILE`, and the path as messages show it.
    File(PathBuf, String),
    /// `SSL_CERT_DIR`, as messages show it.
    Folders(String),
}

impl SslVariable {
    fn find(environment: &Environment) -> Option<Self> {
        if let Some(path) = environment.get("SSL_CERT_FILE") {
            let path = PathBuf::from(path);
            let shown = environment.display_path(&path);
            return Some(Self::File(path, shown));
        }
        environment
            .get("SSL_CERT_DIR")
            .map(|folders| Self::Folders(path_text(folders)))
    }

    /// Why the variable gives no authorities, if there are none.
    fn find_problem(&self) -> Option<String> {
        match self {
            Self::File(path, shown) => {
                let error = read_bundle(path).err()?;
                Some(format!(
                    "SSL_CERT_FILE: cannot trust the certificates in {shown}: {error}"
                ))
            }
            Self::Folders(shown) => Some(format!("SSL_CERT_DIR: there are no certificates in {shown}")),
        }
    }
}

fn load_bundle(configuration: &Configuration, setting: &SourcedValue) -> Result<Authorities> {
    let name = setting_name(setting, "ca_bundle");
    let path = configuration.environment.expand_path(&setting.value);
    let pem = read_bundle(&path).map_err(|why| {
        let shown = configuration.environment.display_path(&path);
        Error::invalid(format!("{name}: cannot trust the certificates in {shown}: {why}"))
            .with_hint("name a file of PEM certificates")
    })?;
    Ok(Authorities {
        pem,
        file: path_text(&path),
        source: setting.source.clone(),
        name,
    })
}

/// The hint for a server whose certificate is of an unknown authority.
pub(crate) fn trust_hint(authorities: Option<&Authorities>) -> String {
    match authorities {
        None => "if you trust it, name its certificate with AWS_CA_BUNDLE, or with ca_bundle in the profile".to_owned(),
        Some(trusted) => format!(
            "only the certificate authorities in {} (from {}) are trusted: add the one that issued this server's certificate",
            trusted.file, trusted.name
        ),
    }
}

/// The hint for a server that uses an authority's own certificate.
pub(crate) fn replace_hint(authorities: Option<&Authorities>) -> String {
    let make = "install a server certificate that is not a CA certificate (CA:FALSE)";
    match authorities {
        None => format!("{make}, and name its authority with AWS_CA_BUNDLE, or with ca_bundle in the profile"),
        Some(trusted) => format!(
            "{make}, issued by a certificate authority in {} (from {})",
            trusted.file, trusted.name
        ),
    }
}

/// The hosts that are reached without a proxy: a list in curl's format, and address ranges.
///
/// <https://everything.curl.dev/usingcurl/proxies/env.html>
#[derive(Clone, Debug, Default)]
pub(crate) struct NoProxyList(Vec<Rule>);

#[derive(Clone, Debug)]
enum Rule {
    All,
    Range(IpAddr, u8),
    Host(String, Option<u16>),
}

impl NoProxyList {
    fn new(text: &str) -> Self {
        let words = text.split(|character: char| character == ',' || character.is_whitespace());
        Self(words.filter(|word| !word.is_empty()).map(Rule::new).collect())
    }

    /// Whether a host is reached without a proxy.
    pub(crate) fn includes(&self, host: &str, port: u16) -> bool {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches([']', '.'])
            .to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        self.0.iter().any(|rule| match rule {
            Rule::All => true,
            Rule::Range(base, bits) => address.is_some_and(|address| is_in_range(address, *base, *bits)),
            Rule::Host(name, only) => {
                let fits = match (name.parse::<IpAddr>(), address) {
                    (Ok(one), Some(other)) => one == other,
                    (Err(_), None) => {
                        host == *name || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
                    }
                    _ => false,
                };
                fits && only.is_none_or(|only| only == port)
            }
        })
    }
}

impl Rule {
    fn new(word: &str) -> Self {
        if word == "*" {
            return Self::All;
        }
        if let Some((base, bits)) = word.split_once('/') {
            let base = base.trim_start_matches('[').trim_end_matches(']');
            if let (Ok(base), Ok(bits)) = (base.parse(), bits.parse()) {
                return Self::Range(base, bits);
            }
        }
        // An IPv6 address contains colons.
        let (name, port) = match word.parse::<IpAddr>() {
            Ok(_) => (word, None),
            Err(_) => match word.rsplit_once(':') {
                Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
                _ => (word, None),
            },
        };
        let name = name.strip_prefix('*').unwrap_or(name).trim_start_matches('.');
        let name = name.trim_start_matches('[').trim_end_matches([']', '.']);
        Self::Host(name.to_ascii_lowercase(), port)
    }
}

fn is_in_range(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            u32::from(address) & mask == u32::from(base) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            u128::from(address) & mask == u128::from(base) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_list_follows_curl() {
        for (rules, host, port, is_direct) in [
            ("*", "ec2.us-east-1.amazonaws.com", 443, true),
            ("127.0.0.1", "127.0.0.1", 4566, true),
            ("127.0.0.0/8", "127.9.9.9", 80, true),
            ("10.0.0.0/8, 127.0.0.0/8", "127.0.0.1", 80, true),
            ("10.0.0.0/8", "127.0.0.1", 80, false),
            ("0.0.0.0/0", "1.2.3.4", 80, true),
            ("::1", "[::1]", 80, true),
            ("[::1]:80", "[::1]", 80, true),
            ("fd00::/8", "[fd00:ec2::254]", 80, true),
            ("localhost", "localhost", 80, true),
            (".amazonaws.com", "sts.amazonaws.com", 443, true),
            ("amazonaws.com", "sts.amazonaws.com", 443, true),
            ("*.amazonaws.com", "sts.amazonaws.com", 443, true),
            ("AMAZONAWS.com.", "sts.amazonaws.com", 443, true),
            ("amazonaws.com", "notamazonaws.com", 443, false),
            ("localhost:4566", "localhost", 4566, true),
            ("localhost:4566", "localhost", 80, false),
            ("a.example b.example", "b.example", 80, true),
            ("", "localhost", 80, false),
            ("127.0.0.0/8", "localhost", 80, false),
        ] {
            let no_proxy = NoProxyList::new(rules);
            assert_eq!(no_proxy.includes(host, port), is_direct, "{rules} {host}:{port}");
        }
    }
}
