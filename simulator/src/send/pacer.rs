//! Times at which requests are due.
//!
//! With a rate, requests are due whether or not earlier ones were answered. A latency counts from the due time,
//! so it includes the wait behind slow responses ("coordinated omission").

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Source of due times, shared by all senders.
#[derive(Debug)]
pub(super) struct Pacer {
    began_at: Instant,
    /// `None` makes every request due at once.
    rate_per_second: Option<u32>,
    issued: AtomicU64,
}

impl Pacer {
    pub(super) fn new(rate_per_second: Option<u32>) -> Self {
        Self { began_at: Instant::now(), rate_per_second, issued: AtomicU64::new(0) }
    }

    /// Waits until the next request is due and returns the due time.
    pub(super) async fn next_due(&self) -> Instant {
        let Some(rate) = self.rate_per_second else { return Instant::now() };
        let issued = self.issued.fetch_add(1, Ordering::Relaxed);
        let due_at = self.began_at + Duration::from_secs(issued) / rate.max(1);
        tokio::time::sleep_until(due_at.into()).await;
        due_at
    }
}
