//! Counts and latencies. Each player has a tally of its own, so that counting costs no lock; they are added at the end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest latency that is told apart, in microseconds.
const LONGEST_US: u64 = 600_000_000;

/// What everyone may watch while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) answered: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) checked: AtomicU64,
}

/// What one player has counted.
#[derive(Debug)]
pub(crate) struct Tally {
    live: Arc<Live>,
    began_at: Instant,
    /// By status: latencies in microseconds, from when the request was due.
    pub(crate) by_status: BTreeMap<u16, Histogram<u64>>,
    /// By status: the longest time between sending and answer.
    pub(crate) slowest: BTreeMap<u16, Duration>,
    /// Attempts that no answer came to.
    pub(crate) unanswered: u64,
    /// Attempts after the first.
    pub(crate) retried: u64,
    /// Requests answered in each second since the beginning with what an accepted event is answered.
    pub(crate) accepted_per_second: Vec<u64>,
}

impl Tally {
    pub(crate) fn new(live: Arc<Live>, began_at: Instant) -> Self {
        Self {
            live,
            began_at,
            by_status: BTreeMap::new(),
            slowest: BTreeMap::new(),
            unanswered: 0,
            retried: 0,
            accepted_per_second: Vec::new(),
        }
    }

    /// An empty one beside this one.
    pub(crate) fn empty(&self) -> Self {
        Self::new(Arc::clone(&self.live), self.began_at)
    }

    pub(crate) fn answered(&mut self, status: u16, latency: Duration, took: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US).clamp(1, LONGEST_US);
        if let Some(histogram) = self.of_status(status) {
            histogram.saturating_record(latency_us);
        }
        let slowest = self.slowest.entry(status).or_default();
        *slowest = took.max(*slowest);
        if (200..300).contains(&status) {
            let second = usize::try_from(self.began_at.elapsed().as_secs()).unwrap_or_default();
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

    pub(crate) fn retries(&mut self) {
        self.retried += 1;
        self.live.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what another player has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (status, latencies) in &other.by_status {
            if let Some(histogram) = self.of_status(*status) {
                // Both have the same bounds, so nothing is out of range.
                histogram.add(latencies).unwrap_or_default();
            }
        }
        for (status, took) in &other.slowest {
            let slowest = self.slowest.entry(*status).or_default();
            *slowest = (*took).max(*slowest);
        }
        self.unanswered += other.unanswered;
        self.retried += other.retried;
        let seconds = self.accepted_per_second.len().max(other.accepted_per_second.len());
        self.accepted_per_second.resize(seconds, 0);
        for (sum, count) in self.accepted_per_second.iter_mut().zip(&other.accepted_per_second) {
            *sum += count;
        }
    }

    fn of_status(&mut self, status: u16) -> Option<&mut Histogram<u64>> {
        match self.by_status.entry(status) {
            Entry::Occupied(known) => Some(known.into_mut()),
            // Three digits, up to ten minutes: the bounds are right, so there is no error to meet.
            Entry::Vacant(new) => Some(new.insert(Histogram::new_with_bounds(1, LONGEST_US, 3).ok()?)),
        }
    }
}
