//! When the next request is due. At a given rate requests are due whether or not the last one was answered, by as many players
//! as there are connections: a slow answer must never hide the wait of those behind it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Hands out moments.
#[derive(Debug)]
pub(super) struct Pace {
    began_at: Instant,
    rate_per_second: Option<u32>,
    given: AtomicU64,
}

impl Pace {
    pub(super) fn new(rate_per_second: Option<u32>) -> Self {
        Self { began_at: Instant::now(), rate_per_second, given: AtomicU64::new(0) }
    }

    /// Waits until the next request is due. When it was due: its latency counts from then.
    pub(super) async fn next(&self) -> Instant {
        let Some(rate) = self.rate_per_second else { return Instant::now() };
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let due_at = self.began_at + Duration::from_secs(given) / rate.max(1);
        tokio::time::sleep_until(due_at.into()).await;
        due_at
    }
}
