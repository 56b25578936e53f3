//! Open-loop load: requests at a fixed rate, whether or not earlier ones were answered.
//!
//! A latency counts from the time at which the request was due. Counted from the sending, it would leave out the wait behind
//! slow responses ("coordinated omission").

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::connection::Connection;
use super::load_result::LoadResult;
use super::requests::Requests;

/// With this many requests outstanding, further ones are late on any number of connections.
const CONNECTIONS: usize = 128;

/// A request and its due time.
struct DueRequest {
    number: usize,
    at: Instant,
}

type DueRequests = Arc<Mutex<mpsc::Receiver<DueRequest>>>;

/// Sends requests at a rate for a time, and waits for the responses.
pub(crate) async fn at_rate(
    address: &str,
    requests: &Requests,
    per_second: u32,
    duration: Duration,
) -> Result<LoadResult> {
    let count = usize::try_from(u64::from(per_second) * u64::try_from(duration.as_millis())? / 1_000)?;
    let (sender, due_requests) = mpsc::channel(count.max(1));
    let due_requests = Arc::new(Mutex::new(due_requests));
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(address).await?;
        senders.spawn(send_over(connection, requests.clone(), Arc::clone(&due_requests)));
    }
    let began_at = Instant::now();
    let pacer = std::thread::spawn(move || pace(&sender, count, per_second));
    let mut result = LoadResult::new()?;
    while let Some(sent) = senders.join_next().await {
        result.add(&sent??)?;
    }
    result.took = began_at.elapsed();
    // The thread has ended, since the senders run until it drops its end of the channel.
    pacer.join().map_err(|_| anyhow!("the pacing thread panicked"))?;
    Ok(result)
}

/// Issues the requests. It has its own thread, because the timer of the async runtime has a resolution of 1 ms.
fn pace(sender: &mpsc::Sender<DueRequest>, count: usize, per_second: u32) {
    let began_at = Instant::now();
    for (number, nth) in (0..count).zip(0_u32..) {
        let at = began_at + Duration::from_secs(1) * nth / per_second;
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        // The channel has a capacity of all requests, so it fails only when all senders have failed.
        if sender.try_send(DueRequest { number, at }).is_err() {
            return;
        }
    }
}

async fn send_over(
    mut connection: Connection,
    requests: Requests,
    due_requests: DueRequests,
) -> Result<LoadResult> {
    let mut result = LoadResult::new()?;
    loop {
        let due = due_requests.lock().await.recv().await;
        let Some(DueRequest { number, at }) = due else { return Ok(result) };
        let status = connection.send(requests.get(number)).await?;
        result.record(status, at.elapsed());
    }
}
