//! Addresses of servers and proxies that users set: checks them, and shows them without passwords.

use http::Uri;
use http::uri::Authority;

use crate::cloud::{may_be_secret, quoted};

/// Whether a host is an IPv6 address in brackets, or a name. <https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>
pub(in crate::providers) fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
            host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
        }
    }
}

/// Whether only a valid port, or nothing, follows the host.
pub(in crate::providers) fn has_valid_or_no_port(authority: &Authority) -> bool {
    let text = authority.as_str();
    let without_user = text.rsplit_once('@').map_or(text, |(_, after_user)| after_user);
    let Some(port_with_colon) = without_user.strip_prefix(authority.host()) else {
        return false;
    };
    if port_with_colon.is_empty() {
        return true;
    }
    let port = port_with_colon
        .strip_prefix(':')
        .and_then(|port| port.parse::<u16>().ok());
    port.is_some_and(|port| port > 0)
}

/// An address for messages: quoted, without user and password.
pub(in crate::providers) fn shown_address(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            match scheme.is_empty() || may_be_secret(scheme) {
                true => format!("…@{after}"),
                false => format!("{scheme}://…@{after}"),
            }
        }
        None => text.to_owned(),
    };
    quoted(&shown)
}

/// Scheme, host and port of a proxy, without user and password.
pub(in crate::providers) fn shown_proxy(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}", uri.host().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_address_has_no_password() {
        assert_eq!(
            shown_address("http://ada:hunter2@proxy:3128"),
            "\"http://…@proxy:3128\""
        );
        assert_eq!(shown_address("ada:hun@ter2@proxy:3128"), "\"…@proxy:3128\"");
        assert_eq!(shown_address("localhost:4566"), "\"localhost:4566\"");
        let proxy = "http://ada:hunter2@[::1]:3128".parse().unwrap();
        assert_eq!(shown_proxy(&proxy), "http://[::1]:3128");
    }

    #[test]
    fn host_is_name_or_bracketed_address() {
        let label = "a".repeat(63);
        for host in ["localhost", "my_host.", "127.0.0.1", "[::1]", &label] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            ".",
            "a..b",
            "a b",
            "[::1",
            "[host]",
            &format!("{label}a"),
            &"a.".repeat(127),
        ] {
            assert!(!is_host(host), "{host}");
        }
    }
}
