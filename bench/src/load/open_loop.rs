//! Requests at a rate, whether answers come or not. A latency counts from when the request was due: were it counted from when it
//! could be sent, the slowest moments would hide themselves ("coordinated omission").

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::wire::Wire;
use super::{Load, Requests};

/// More are never needed: whoever is behind by so many answers is measured as late anyway.
const CONNECTIONS: usize = 128;

/// A request that is due.
struct Due {
    number: usize,
    at: Instant,
}

type Dues = Arc<Mutex<mpsc::Receiver<Due>>>;

/// Offers so many requests per second for so long, and waits for their answers.
pub(crate) async fn at_rate(
    address: &str,
    requests: &Requests,
    per_second: u32,
    during: Duration,
) -> Result<Load> {
    let count = usize::try_from(u64::from(per_second) * u64::try_from(during.as_millis())? / 1_000)?;
    let (offer, dues) = mpsc::channel(count.max(1));
    let dues = Arc::new(Mutex::new(dues));
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let wire = Wire::to(address).await?;
        senders.spawn(one(wire, requests.clone(), Arc::clone(&dues)));
    }
    let began_at = Instant::now();
    let clock = std::thread::spawn(move || tick(&offer, count, per_second));
    let mut load = Load::none()?;
    while let Some(sent) = senders.join_next().await {
        load.add(&sent??)?;
    }
    load.took = began_at.elapsed();
    // It ended before the senders did: they end when it has nothing more to offer.
    clock.join().unwrap_or_default();
    Ok(load)
}

/// A thread of its own: the runtime's timer knows whole milliseconds only.
fn tick(offer: &mpsc::Sender<Due>, count: usize, per_second: u32) {
    let began_at = Instant::now();
    for (number, nth) in (0..count).zip(0_u32..) {
        let at = began_at + Duration::from_secs(1) * nth / per_second;
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        // The channel has room for all of them; it is closed only if a connection failed.
        if offer.try_send(Due { number, at }).is_err() {
            return;
        }
    }
}

async fn one(mut wire: Wire, requests: Requests, dues: Dues) -> Result<Load> {
    let mut load = Load::none()?;
    loop {
        let due = dues.lock().await.recv().await;
        let Some(Due { number, at }) = due else { return Ok(load) };
        if let Some(request) = requests.get(number) {
            let status = wire.ask(request).await?;
            load.note(status, at.elapsed());
        }
    }
}
