//! The client of a request. `X-Forwarded-For` is used only behind a proxy in `trusted_proxies`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::Request;
use axum::http::HeaderMap;
use careq_shared::networks::Networks;

/// The address that opened the connection. The listener adds it to the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// The client of a request, as far as it can be trusted. The request middleware adds it to the extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address that failures and connections are counted by.
    pub address: IpAddr,
    /// `false` if a trusted proxy sent a value that is not an address.
    is_certain: bool,
}

impl Client {
    /// The client of a request that [`crate::serve`] passed on.
    ///
    /// # Panics
    /// The request did not come through [`crate::serve`].
    #[must_use]
    pub fn from_request(request: &Request, trusted: &Networks) -> Self {
        #[expect(clippy::expect_used, reason = "the listener adds the peer to every request")]
        let PeerAddress(peer) = *request.extensions().get().expect("a request has a peer");
        client(peer, request.headers(), trusted)
    }

    /// Whether the client is certainly in one of these networks.
    #[must_use]
    pub fn is_in(self, networks: &Networks) -> bool {
        self.is_certain && networks.contains(self.address)
    }
}

/// The peer, or behind a trusted proxy the right-most address in `X-Forwarded-For` that is not a trusted proxy. Any client could
/// have written the entries to the left of that address.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> Client {
    let peer = peer.to_canonical();
    let mut client = Client { address: peer, is_certain: true };
    if !trusted.contains(peer) {
        return client;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(value) = value.to_str() else { return Client { is_certain: false, ..client } };
        for entry in value.rsplit(',') {
            match forwarded_address(entry.trim()) {
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

/// The address that limits count by: an IPv6 /64 counts as one address, since one customer has all of it (RFC 6177).
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// An entry of `X-Forwarded-For`. Some proxies add the port.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let address = entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peer, `X-Forwarded-For`, and the client (`None`: not certain, so no network contains it).
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
    fn an_ipv6_network_counts_as_one_address() {
        let network_of = |text: &str| network(text.parse().unwrap());
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_eq!(network_of("::ffff:192.0.2.1"), network_of("192.0.2.1"));
    }

    #[test]
    fn only_a_trusted_proxy_can_name_the_client() {
        let trusted: Networks = "10.0.0.0/8".parse().unwrap();
        for (peer, forwarded, expected) in ROWS {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = client(peer.parse().unwrap(), &headers, &trusted);
            let everywhere: Networks = "0.0.0.0/0,::/0".parse().unwrap();
            let address = found.is_in(&everywhere).then(|| found.address.to_string());
            assert_eq!(address.as_deref(), expected, "{peer} {forwarded:?}");
        }
    }
}
