//! Requests as fast as answers come: each connection sends its next one when the last one is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::wire::Wire;
use super::{Load, Requests};

/// Sends for so long.
pub(crate) async fn at_full_speed(
    address: &str,
    requests: &Requests,
    connections: usize,
    during: Duration,
) -> Result<Load> {
    send(address, requests, connections, Until::Passed(during)).await
}

/// Sends each request once.
pub(crate) async fn every_one(address: &str, requests: &Requests, connections: usize) -> Result<Load> {
    send(address, requests, connections, Until::Sent(requests.len())).await
}

#[derive(Debug, Clone, Copy)]
enum Until {
    Passed(Duration),
    Sent(usize),
}

async fn send(address: &str, requests: &Requests, connections: usize, until: Until) -> Result<Load> {
    let mut wires = Vec::with_capacity(connections);
    for _ in 0..connections {
        wires.push(Wire::to(address).await?);
    }
    let (next, began_at) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut senders = JoinSet::new();
    for wire in wires {
        let (next, requests) = (Arc::clone(&next), requests.clone());
        senders.spawn(one(wire, requests, next, began_at, until));
    }
    let mut load = Load::none()?;
    while let Some(sent) = senders.join_next().await {
        load.add(&sent??)?;
    }
    load.took = began_at.elapsed();
    Ok(load)
}

async fn one(
    mut wire: Wire,
    requests: Requests,
    next: Arc<AtomicUsize>,
    began_at: Instant,
    until: Until,
) -> Result<Load> {
    let mut load = Load::none()?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let is_over = match until {
            Until::Passed(during) => began_at.elapsed() >= during,
            Until::Sent(count) => number >= count,
        };
        let Some(request) = requests.get(number).filter(|_| !is_over) else { return Ok(load) };
        let sent_at = Instant::now();
        let status = wire.ask(request).await?;
        load.note(status, sent_at.elapsed());
    }
}
