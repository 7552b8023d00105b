//! Ingress rules: the ports of an instance that are opened to a network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{Error, Result, quoted};

/// A TCP port, and the network that it is open to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IngressRule {
    /// The port.
    pub port: u16,
    /// The network that may connect to it, as `ADDRESS/PREFIX`.
    pub source: String,
}

/// Every IPv4 address: the source of a rule that names none.
const ANYWHERE: &str = "0.0.0.0/0";

impl FromStr for IngressRule {
    type Err = Error;

    /// Parses `PORT`, `PORT/ADDRESS` or `PORT/ADDRESS/PREFIX`.
    fn from_str(input: &str) -> Result<Self> {
        let (port, source) = match input.split_once('/') {
            Some((port, source)) => (port, source),
            None => (input, ANYWHERE),
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self {
                port,
                source: parse_network(source)?,
            }),
            _ => Err(Error::invalid(format!("invalid port {} to open", quoted(port)))
                .with_hint("write it as PORT or PORT/CIDR, such as 22 or 22/203.0.113.0/24")),
        }
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

/// Parses a network in CIDR form, or an address, which means itself. Clouds refuse a network with host bits.
fn parse_network(text: &str) -> Result<String> {
    let invalid = |reason: &str| {
        Error::invalid(format!("invalid network {}: {reason}", quoted(text)))
            .with_hint("write it in CIDR form, such as 203.0.113.0/24 or 203.0.113.7/32")
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| invalid("it is not an IP address"))?;
    let mut network = IpNet::from(address);
    if let Some(prefix) = prefix {
        let invalid_prefix = || invalid(&format!("its prefix must be 0 to {}", network.max_prefix_len()));
        let length = prefix.parse().map_err(|_| invalid_prefix())?;
        network = IpNet::new(address, length).map_err(|_| invalid_prefix())?;
    }
    if network != network.trunc() {
        return Err(invalid("it has bits set after its prefix"));
    }
    Ok(network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_and_network_are_parsed_or_refused() {
        for (text, shown, source) in [
            ("22", "22", "0.0.0.0/0"),
            ("443/10.0.0.0/8", "443/10.0.0.0/8", "10.0.0.0/8"),
            ("22/203.0.113.7", "22/203.0.113.7/32", "203.0.113.7/32"),
            ("22/0.0.0.0/0", "22", "0.0.0.0/0"),
            ("22/::/0", "22/::/0", "::/0"),
            ("22/2001:db8::/32", "22/2001:db8::/32", "2001:db8::/32"),
        ] {
            let rule: IngressRule = text.parse().unwrap();
            assert_eq!((rule.to_string().as_str(), rule.source.as_str()), (shown, source));
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
