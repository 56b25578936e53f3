//! The open connections of a port: a limit per address, and eviction of the connection that has been idle longest. An entry lives as
//! long as its connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use careq_shared::networks::Networks;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::network;

/// The open connections of a port.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Maximum number of connections per address; 0 = no limit.
    max_per_address: usize,
    /// Trusted proxies, which forward the requests of many clients.
    exempt: Networks,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    by_id: HashMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
}

/// The state of one connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// `None` while a request is in progress, and at first: a connection that waits for a slot must not be evicted to make room for
    /// itself.
    idle_since: Mutex<Option<Instant>>,
    pub(crate) evicted: CancellationToken,
}

/// The entry of an open connection. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Entry {
    connections: Arc<Connections>,
    id: u64,
    /// `None` if the address is exempt from the limit.
    address: Option<IpAddr>,
    pub(crate) connection: Arc<Connection>,
}

impl Connections {
    pub(crate) fn new(max_per_address: usize, exempt: Networks) -> Arc<Self> {
        Arc::new(Self { max_per_address, exempt, open: Mutex::default() })
    }

    /// Adds a connection; `None` if its address has reached the limit.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Entry> {
        let is_exempt = self.max_per_address == 0 || self.exempt.contains(peer);
        let address = (!is_exempt).then(|| network(peer));
        let mut open = self.open();
        if let Some(address) = address {
            let count = open.by_address.entry(address).or_default();
            if *count >= self.max_per_address {
                return None;
            }
            *count += 1;
        }
        let id = open.next_id;
        open.next_id += 1;
        let connection = Arc::new(Connection::default());
        open.by_id.insert(id, Arc::clone(&connection));
        drop(open);
        Some(Entry { connections: Arc::clone(self), id, address, connection })
    }

    /// Evicts the connection that has been idle longest, if one is idle.
    pub(crate) fn evict(&self) {
        let open = self.open();
        let since = |connection: &Arc<Connection>| *connection.idle_since();
        let idle =
            |connection: &&Arc<Connection>| since(connection).is_some() && !connection.evicted.is_cancelled();
        // A connection that becomes busy meanwhile is skipped.
        while let Some(longest) = open.by_id.values().filter(idle).min_by_key(|connection| since(connection))
        {
            let idle_since = longest.idle_since();
            if idle_since.is_some() {
                return longest.evicted.cancel();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Marks the start of a request.
    pub(crate) fn becomes_busy(&self) {
        *self.idle_since() = None;
    }

    /// Marks the end of a request. The client may not have read the answer yet.
    pub(crate) fn becomes_idle(&self) {
        *self.idle_since() = Some(Instant::now());
    }

    fn idle_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.by_id.remove(&self.id);
        if let Some(address) = self.address
            && let Some(count) = open.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_has_a_limit_and_a_trusted_proxy_has_none() {
        let connections = Connections::new(2, "10.0.0.0/8".parse().unwrap());
        let enter = |peer: &str| connections.enter(address(peer));
        let (first, _second) = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none(), "a /64 is one address");
        assert!(enter("2001:db8:0:1::1").is_some() && enter("192.0.2.1").is_some());
        drop(first);
        assert!(enter("2001:db8::3").is_some());
        let proxied: Vec<_> = (0..100).map(|_| enter("::ffff:10.0.0.1").unwrap()).collect();
        drop(proxied);
        assert_eq!(connections.open().by_address.len(), 1, "closed connections are removed");
        assert_eq!(connections.open().by_id.len(), 1);
        let unlimited = Connections::new(0, Networks::default());
        let entries: Vec<_> = (0..100).map(|_| unlimited.enter(address("192.0.2.1")).unwrap()).collect();
        assert!(unlimited.open().by_address.is_empty() && entries.len() == 100);
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_has_been_idle_longest_is_evicted() {
        let connections = Connections::new(0, Networks::default());
        let mut entries = Vec::new();
        for _ in 0..4 {
            entries.push(connections.enter(address("192.0.2.1")).unwrap());
            entries.last().unwrap().connection.becomes_idle();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        entries[0].connection.becomes_busy();
        entries[1].connection.becomes_busy();
        entries[1].connection.becomes_idle();
        let evicted =
            || -> Vec<_> { entries.iter().map(|entry| entry.connection.evicted.is_cancelled()).collect() };
        for expected in [[false, false, true, false], [false, false, true, true], [false, true, true, true]] {
            connections.evict();
            assert_eq!(evicted(), expected);
        }
        connections.evict();
        assert_eq!(evicted(), [false, true, true, true], "a busy connection is not evicted");
    }
}
