//! The batches that the workers of a process have received and not settled. The age of the oldest event shows an
//! operator that events are stuck.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock;

/// The time of the oldest event of every batch in progress; `None` without a worker.
#[derive(Debug, Default)]
pub struct InHand(Mutex<Option<Vec<DateTime<Utc>>>>);

/// A batch in progress, until it is dropped.
#[derive(Debug)]
pub struct Batch<'hand> {
    hand: &'hand InHand,
    oldest: DateTime<Utc>,
}

impl InHand {
    /// Records that a worker runs here: without a batch, the age is 0.
    pub(super) fn begin(&self) {
        self.batches().get_or_insert_default();
    }

    /// Records a batch by the acceptance of its oldest event.
    pub fn take(&self, oldest: DateTime<Utc>) -> Batch<'_> {
        self.batches().get_or_insert_default().push(oldest);
        Batch { hand: self, oldest }
    }

    /// The age of the oldest event in progress; `None` without a worker.
    pub fn oldest_age(&self) -> Option<Duration> {
        let oldest = self.batches().as_ref()?.iter().min().copied();
        Some(oldest.map_or(Duration::ZERO, clock::since))
    }

    fn batches(&self) -> MutexGuard<'_, Option<Vec<DateTime<Utc>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut batches = self.hand.batches();
        let position = batches.iter().flatten().position(|oldest| *oldest == self.oldest);
        if let (Some(batches), Some(position)) = (&mut *batches, position) {
            batches.swap_remove(position);
        }
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
