//! Closed-loop load: each connection sends its next request when the last one is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::load_result::LoadResult;
use super::requests::Requests;

/// Sends requests for a time.
pub(crate) async fn at_full_speed(
    address: &str,
    requests: &Requests,
    connections: usize,
    duration: Duration,
) -> Result<LoadResult> {
    send(address, requests, connections, End::After(duration)).await
}

/// Sends each request once.
pub(crate) async fn each_once(address: &str, requests: &Requests, connections: usize) -> Result<LoadResult> {
    send(address, requests, connections, End::Sent(requests.len())).await
}

/// Condition that ends the load.
#[derive(Debug, Clone, Copy)]
enum End {
    After(Duration),
    Sent(usize),
}

async fn send(address: &str, requests: &Requests, connections: usize, end: End) -> Result<LoadResult> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(address).await?);
    }
    let (next, began_at) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut senders = JoinSet::new();
    for connection in opened {
        let (next, requests) = (Arc::clone(&next), requests.clone());
        senders.spawn(send_over(connection, requests, next, began_at, end));
    }
    let mut result = LoadResult::new()?;
    while let Some(sent) = senders.join_next().await {
        result.add(&sent??)?;
    }
    result.took = began_at.elapsed();
    Ok(result)
}

async fn send_over(
    mut connection: Connection,
    requests: Requests,
    next: Arc<AtomicUsize>,
    began_at: Instant,
    end: End,
) -> Result<LoadResult> {
    let mut result = LoadResult::new()?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let is_over = match end {
            End::After(duration) => began_at.elapsed() >= duration,
            End::Sent(count) => number >= count,
        };
        if is_over {
            return Ok(result);
        }
        let sent_at = Instant::now();
        let status = connection.send(requests.get(number)).await?;
        result.record(status, sent_at.elapsed());
    }
}
