//! Ports that an instance shall be reached at from outside.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{Error, Result, quoted};

/// A TCP port, and from where it may be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IngressRule {
    /// The port.
    pub port: u16,
    /// The addresses that may reach it, as `ADDRESS/PREFIX`.
    pub source: String,
}

/// Everybody, by IPv4: what an opening without a source means.
const ANYWHERE: &str = "0.0.0.0/0";

impl FromStr for IngressRule {
    type Err = Error;

    /// Reads `PORT` or `PORT/ADDRESS/PREFIX`; a lone address means itself.
    fn from_str(input: &str) -> Result<Self> {
        let (port, source) = match input.split_once('/') {
            Some((port, source)) => (port, source),
            None => (input, ANYWHERE),
        };
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            Error::invalid(format!("invalid port {} to open", quoted(port)))
                .with_hint("write it as PORT or PORT/CIDR, such as 22 or 22/203.0.113.0/24")
        })?;
        Ok(Self {
            port,
            source: network(source)?,
        })
    }
}

impl fmt::Display for IngressRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.as_str() {
            ANYWHERE => write!(formatter, "{}", self.port),
            source => write!(formatter, "{}/{source}", self.port),
        }
    }
}

/// A network in CIDR form whose host part is nothing, as the clouds want it.
fn network(text: &str) -> Result<String> {
    let invalid = |why: &str| {
        Error::invalid(format!("invalid network {}: {why}", quoted(text)))
            .with_hint("write it in CIDR form, such as 203.0.113.0/24 or 203.0.113.7/32")
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| invalid("that is no IP address"))?;
    // The network of this address alone.
    let alone = IpNet::from(address);
    let network = match prefix {
        None => alone,
        Some(prefix) => prefix
            .parse()
            .ok()
            .and_then(|prefix| IpNet::new(address, prefix).ok())
            .ok_or_else(|| invalid(&format!("its prefix is 0 to {}", alone.max_prefix_len())))?,
    };
    if network != network.trunc() {
        return Err(invalid("it has bits set behind its prefix"));
    }
    Ok(network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_networks_are_read() {
        for (text, shown, source) in [
            ("22", "22", "0.0.0.0/0"),
            ("443/10.0.0.0/8", "443/10.0.0.0/8", "10.0.0.0/8"),
            ("22/203.0.113.7", "22/203.0.113.7/32", "203.0.113.7/32"),
            ("22/0.0.0.0/0", "22", "0.0.0.0/0"),
            ("22/::/0", "22/::/0", "::/0"),
            ("22/2001:db8::/32", "22/2001:db8::/32", "2001:db8::/32"),
        ] {
            let opening: IngressRule = text.parse().unwrap();
            assert_eq!((opening.to_string().as_str(), opening.source.as_str()), (shown, source));
        }
        for text in [
            "",
            "0",
            "65536",
            "ssh",
            "22/",
            "22/10.0.0.0/33",
            "22/10.0.0.1/8",
            "22/10.0.0/8",
            "22/x/8",
            "22/::1/0",
        ] {
            assert!(text.parse::<IngressRule>().is_err(), "{text}");
        }
    }
}
