//! Where a request comes from. A forwarded address must never be believed but from a proxy that the settings name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::Request;
use axum::http::HeaderMap;
use careq_shared::networks::Networks;

use crate::listen::Peer;

/// Who sent the request, as far as we believe it; put into every request at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Whom failures are counted for.
    pub address: IpAddr,
    /// `false`: a trusted proxy names a client that is no address.
    is_certain: bool,
}

impl Client {
    /// The sender of a request that came to a port of ours.
    #[must_use]
    pub fn of(request: &Request, trusted: &Networks) -> Self {
        let peer =
            request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        client(peer, request.headers(), trusted)
    }

    /// Whether it is one of these for certain.
    #[must_use]
    pub fn is_in(self, networks: &Networks) -> bool {
        self.is_certain && networks.contains(self.address)
    }
}

/// The peer; behind a trusted proxy, the right-most address in `X-Forwarded-For` that is not a trusted proxy itself. What
/// stands to the left of it, anyone could have written.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> Client {
    let peer = peer.to_canonical();
    let mut client = Client { address: peer, is_certain: true };
    if !trusted.contains(peer) {
        return client;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for entry in value.to_str().unwrap_or("unreadable").rsplit(',') {
            match address(entry.trim()) {
                Some(address) => client.address = address,
                None => return Client { is_certain: false, ..client },
            }
            if !trusted.contains(client.address) {
                return client;
            }
        }
    }
    client
}

/// The address that is counted by: one customer has a whole IPv6 /64 (RFC 6177), so that it counts as one.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// Some proxies add the port.
fn address(entry: &str) -> Option<IpAddr> {
    let address = entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// peer, `X-Forwarded-For`, who sent it (nobody: no list lets it in)
    const ROWS: [(&str, &[&str], Option<&str>); 11] = [
        ("198.51.100.1", &[], Some("198.51.100.1")),
        ("198.51.100.1", &["203.0.113.9"], Some("198.51.100.1")),
        ("10.0.0.1", &[], Some("10.0.0.1")),
        ("10.0.0.1", &["203.0.113.9"], Some("203.0.113.9")),
        ("::ffff:10.0.0.1", &["203.0.113.9:4711"], Some("203.0.113.9")),
        ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], Some("198.51.100.1")),
        ("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"], Some("198.51.100.1")),
        ("10.0.0.1", &["203.0.113.9", "198.51.100.1"], Some("198.51.100.1")),
        ("10.0.0.1", &["203.0.113.9, unknown"], None),
        ("10.0.0.1", &["203.0.113.9,"], None),
        ("10.0.0.1", &["[2001:db8::1]:443"], Some("2001:db8::1")),
    ];

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let network_of = |text: &str| network(text.parse().unwrap());
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_eq!(network_of("::ffff:192.0.2.1"), network_of("192.0.2.1"));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Networks = "10.0.0.0/8".parse().unwrap();
        for (peer, forwarded, expected) in ROWS {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = client(peer.parse().unwrap(), &headers, &trusted);
            let everywhere: Networks = "0.0.0.0/0,::/0".parse().unwrap();
            let is_somebody = found.is_in(&everywhere);
            let address = is_somebody.then(|| found.address.to_string());
            assert_eq!(address.as_deref(), expected, "{peer} {forwarded:?}");
        }
    }
}
