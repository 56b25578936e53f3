//! Lists of networks in CIDR notation (RFC 4632, RFC 4291): the allowed sources of a clinic's requests, and trusted
//! proxies. The meaning of an empty list is the caller's decision.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde_with::DeserializeFromStr;

/// A list of networks, such as `203.0.113.0/24,2001:db8::/32`. A single address is a network of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, DeserializeFromStr)]
pub struct Networks(Vec<IpNet>);

/// The error of a text that is not a list of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("networks are written in CIDR notation, separated by commas, such as 203.0.113.0/24,2001:db8::/32")]
pub struct NotNetworks;

impl Networks {
    /// Whether an address is in one of the networks. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is treated as
    /// the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether the list names no network.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Networks {
    type Err = NotNetworks;

    fn from_str(text: &str) -> Result<Self, NotNetworks> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Option<_>>().map(Self).ok_or(NotNetworks)
    }
}

fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(canonical)
}

/// Converts a network of IPv4-mapped IPv6 addresses to the IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let length = network.prefix_len().checked_sub(96).filter(|_| matches!(network, IpNet::V6(_)));
    match (network.addr().to_canonical(), length) {
        (IpAddr::V4(address), Some(length)) => Ipv4Net::new_assert(address, length).into(),
        _ => network,
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_networks_however_they_are_written() {
        let networks: Networks = "203.0.113.0/24, 2001:db8::/32,192.0.2.7".parse().unwrap();
        let contains = |text: &str| networks.contains(text.parse().unwrap());
        assert!(contains("203.0.113.9") && contains("::ffff:203.0.113.9") && contains("2001:db8::1"));
        let mapped: Networks = "::ffff:203.0.113.0/120, ::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(mapped.to_string(), "203.0.113.0/24,192.0.2.7/32");
        assert!(contains("192.0.2.7") && !contains("192.0.2.8") && !contains("2001:db9::1"));
        assert!(!Networks::default().contains("192.0.2.7".parse().unwrap()));
        assert_eq!(networks.to_string(), "203.0.113.0/24,2001:db8::/32,192.0.2.7/32");
    }

    #[test]
    fn malformed_networks_are_refused() {
        for text in ["203.0.113.0/33", "example.org", "203.0.113", "1.2.3.4/8/8"] {
            assert_eq!(text.parse::<Networks>(), Err(NotNetworks), "{text}");
        }
    }
}
