//! The batches that the workers of a process have received and not settled. The age of the oldest event shows an
//! operator that events are stuck.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock;

/// The oldest event of every batch in progress.
#[derive(Debug, Default)]
pub struct InHand {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    has_worker: bool,
    next: u64,
    oldest_by_batch: BTreeMap<u64, DateTime<Utc>>,
}

/// A batch in progress, until it is dropped.
#[derive(Debug)]
pub struct Batch<'hand> {
    hand: &'hand InHand,
    number: u64,
}

impl InHand {
    /// Records that a worker runs here: without a batch, the age is 0.
    pub(super) fn begin(&self) {
        self.state().has_worker = true;
    }

    /// Records a batch by the acceptance of its oldest event.
    pub fn take(&self, oldest: DateTime<Utc>) -> Batch<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.oldest_by_batch.insert(number, oldest);
        Batch { hand: self, number }
    }

    /// The age of the oldest event in progress; `None` without a worker.
    pub fn oldest_age(&self) -> Option<Duration> {
        let state = self.state();
        let oldest = state.oldest_by_batch.values().min();
        state.has_worker.then(|| oldest.map_or(Duration::ZERO, |oldest| clock::since(*oldest)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.hand.state().oldest_by_batch.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_unsettled_batch() {
        let hand = InHand::default();
        assert_eq!(hand.oldest_age(), None, "no worker has_worker here");
        hand.begin();
        assert_eq!(hand.oldest_age(), Some(Duration::ZERO));
        let old = hand.take(clock::now() - Duration::from_mins(10));
        let young = hand.take(clock::now() + Duration::from_mins(10));
        assert!(hand.oldest_age().unwrap() >= Duration::from_mins(10));
        drop(old);
        assert_eq!(hand.oldest_age(), Some(Duration::ZERO), "a clock that runs ahead makes no age");
        drop(young);
        assert_eq!(hand.oldest_age(), Some(Duration::ZERO));
    }
}
