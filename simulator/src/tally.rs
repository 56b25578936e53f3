//! Counters and latencies. Each sender has its own tally, so counting takes no lock. The tallies are added up at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::convert::to_usize;

/// Largest latency that is recorded, in microseconds. Larger ones count as this one.
const MAX_LATENCY_US: u64 = 600_000_000;

/// Significant decimal digits of a recorded latency.
const LATENCY_DIGITS: u8 = 3;

/// Counters for the progress display, shared by all senders.
#[derive(Debug, Default)]
pub(crate) struct LiveCounters {
    pub(crate) answered: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) checked: AtomicU64,
}

/// Counts of one sender, or of several added up.
#[derive(Debug)]
pub(crate) struct Tally {
    live: Arc<LiveCounters>,
    began_at: Instant,
    pub(crate) by_status: BTreeMap<u16, Latencies>,
    /// Attempts without a response.
    pub(crate) unanswered: u64,
    /// Attempts after the first.
    pub(crate) retried: u64,
    /// Responses with a 2xx status in each second since the beginning.
    pub(crate) accepted_per_second: Vec<u64>,
}

/// Latencies of the responses with one status.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// From the time at which the request was due, in microseconds.
    pub(crate) since_due_us: Histogram<u64>,
    /// The longest time from sending a request to its response.
    pub(crate) slowest: Duration,
}

impl Tally {
    pub(crate) fn new(live: Arc<LiveCounters>, began_at: Instant) -> Self {
        Self {
            live,
            began_at,
            by_status: BTreeMap::new(),
            unanswered: 0,
            retried: 0,
            accepted_per_second: Vec::new(),
        }
    }

    /// An empty tally with the same beginning and the same live counters.
    pub(crate) fn empty(&self) -> Self {
        Self::new(Arc::clone(&self.live), self.began_at)
    }

    /// Counts a response. `latency` is measured from the due time, `took` from the sending.
    pub(crate) fn answered(&mut self, status: u16, latency: Duration, took: Duration) {
        self.by_status.entry(status).or_insert_with(Latencies::new).record(latency, took);
        if (200..300).contains(&status) {
            let second = to_usize(self.began_at.elapsed().as_secs());
            if self.accepted_per_second.len() <= second {
                self.accepted_per_second.resize(second + 1, 0);
            }
            self.accepted_per_second[second] += 1;
        }
        self.live.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unanswered(&mut self) {
        self.unanswered += 1;
    }

    pub(crate) fn retried(&mut self) {
        self.retried += 1;
        self.live.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the counts of another sender.
    pub(crate) fn add(&mut self, other: &Self) {
        for (status, latencies) in &other.by_status {
            self.by_status.entry(*status).or_insert_with(Latencies::new).add(latencies);
        }
        self.unanswered += other.unanswered;
        self.retried += other.retried;
        let seconds = self.accepted_per_second.len().max(other.accepted_per_second.len());
        self.accepted_per_second.resize(seconds, 0);
        for (sum, count) in self.accepted_per_second.iter_mut().zip(&other.accepted_per_second) {
            *sum += count;
        }
    }
}

impl Latencies {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    fn new() -> Self {
        let since_due_us = Histogram::new_with_bounds(1, MAX_LATENCY_US, LATENCY_DIGITS);
        Self { since_due_us: since_due_us.expect("the bounds are valid"), slowest: Duration::ZERO }
    }

    fn record(&mut self, latency: Duration, took: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(MAX_LATENCY_US);
        self.since_due_us.saturating_record(latency_us.clamp(1, MAX_LATENCY_US));
        self.slowest = self.slowest.max(took);
    }

    #[expect(clippy::expect_used, reason = "all histograms have the same bounds")]
    fn add(&mut self, other: &Self) {
        self.since_due_us.add(&other.since_due_us).expect("both histograms have the same bounds");
        self.slowest = self.slowest.max(other.slowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_tallies_sums_counts_and_keeps_the_slowest() {
        let mut sum = Tally::new(Arc::default(), Instant::now());
        let mut other = sum.empty();
        sum.answered(200, Duration::from_millis(3), Duration::from_millis(2));
        other.answered(200, Duration::from_millis(9), Duration::from_millis(8));
        other.answered(503, Duration::from_millis(1), Duration::from_millis(1));
        other.retried();
        sum.add(&other);
        assert_eq!(sum.by_status[&200].since_due_us.len(), 2);
        assert_eq!(sum.by_status[&200].slowest, Duration::from_millis(8));
        assert_eq!(sum.by_status[&503].since_due_us.len(), 1);
        assert_eq!((sum.retried, sum.accepted_per_second.iter().sum::<u64>()), (1, 2));
        assert_eq!(sum.live.answered.load(Ordering::Relaxed), 3, "the live counters are shared");
    }
}
