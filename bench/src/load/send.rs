//! Closed-loop load, in which each connection sends its next request when the last one is answered, and open-loop load, with
//! requests at a fixed rate, whether or not earlier ones were answered.
//!
//! A latency counts from the time at which the request was due. Counted from the sending, the latencies of an open loop would
//! leave out the wait behind slow responses ("coordinated omission").

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::connection::Connection;
use super::load_result::LoadResult;
use super::requests::Requests;

/// Connections of an open loop. With this many requests outstanding, further ones are late on any number of connections.
const OPEN_LOOP_CONNECTIONS: usize = 128;

/// Source of the numbers of the requests, and of the times at which they are due. In a closed loop a request is due when a
/// connection is free.
enum Source {
    Closed { next: AtomicUsize, count: usize, ends_at: Option<Instant> },
    Open(Mutex<mpsc::Receiver<(usize, Instant)>>),
}

/// Sends requests in a closed loop for a time.
pub(crate) async fn at_full_speed(
    address: &str,
    requests: &Requests,
    connections: usize,
    duration: Duration,
) -> Result<LoadResult> {
    let connections = open(address, connections).await?;
    let ends_at = Some(Instant::now() + duration);
    let source = Source::Closed { next: AtomicUsize::new(0), count: usize::MAX, ends_at };
    send(connections, requests, source).await
}

/// Sends each request once, in a closed loop.
pub(crate) async fn each_once(address: &str, requests: &Requests, connections: usize) -> Result<LoadResult> {
    let connections = open(address, connections).await?;
    let source = Source::Closed { next: AtomicUsize::new(0), count: requests.len(), ends_at: None };
    send(connections, requests, source).await
}

/// Sends requests in an open loop at a rate for a time, and waits for the responses.
pub(crate) async fn at_rate(
    address: &str,
    requests: &Requests,
    per_second: u32,
    duration: Duration,
) -> Result<LoadResult> {
    let count = usize::try_from(u64::from(per_second) * u64::try_from(duration.as_millis())? / 1_000)?;
    let connections = open(address, OPEN_LOOP_CONNECTIONS).await?;
    let (sender, due) = mpsc::channel(count.max(1));
    let pacer = std::thread::spawn(move || pace(&sender, count, per_second));
    let result = send(connections, requests, Source::Open(Mutex::new(due))).await?;
    // The thread has ended, since the senders run until it drops its end of the channel.
    pacer.join().map_err(|_| anyhow!("the pacing thread panicked"))?;
    Ok(result)
}

/// Issues the requests. It has its own thread, because the timer of the async runtime has a resolution of 1 ms.
fn pace(sender: &mpsc::Sender<(usize, Instant)>, count: usize, per_second: u32) {
    let began_at = Instant::now();
    for (number, nth) in (0..count).zip(0_u32..) {
        let due_at = began_at + Duration::from_secs(1) * nth / per_second;
        std::thread::sleep(due_at.saturating_duration_since(Instant::now()));
        // The channel has a capacity of all requests, so it fails only when all senders have failed.
        if sender.try_send((number, due_at)).is_err() {
            return;
        }
    }
}

async fn open(address: &str, connections: usize) -> Result<Vec<Connection>> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(address).await?);
    }
    Ok(opened)
}

async fn send(connections: Vec<Connection>, requests: &Requests, source: Source) -> Result<LoadResult> {
    let (source, began_at) = (Arc::new(source), Instant::now());
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(send_over(connection, requests.clone(), Arc::clone(&source)));
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
    source: Arc<Source>,
) -> Result<LoadResult> {
    let mut result = LoadResult::new()?;
    while let Some((number, due_at)) = source.next().await {
        let status = connection.send(requests.get(number)).await?;
        result.record(status, due_at.elapsed());
    }
    Ok(result)
}

impl Source {
    async fn next(&self) -> Option<(usize, Instant)> {
        match self {
            Self::Closed { next, count, ends_at } => {
                let (number, now) = (next.fetch_add(1, Ordering::Relaxed), Instant::now());
                let is_over = number >= *count || ends_at.is_some_and(|ends_at| now >= ends_at);
                (!is_over).then_some((number, now))
            }
            Self::Open(due) => due.lock().await.recv().await,
        }
    }
}
