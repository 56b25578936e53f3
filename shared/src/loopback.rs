//! How a process of this machine is reached from here. It must never be used for another machine's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where whatever listens on an address is reached: who listens on all addresses has none that could be asked.
#[must_use]
pub fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
