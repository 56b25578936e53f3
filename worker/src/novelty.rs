//! Which events are taken for new before the ledger is asked. Nearly all are, and of a copy the ledger's own unique key tells when it is
//! written: the transaction then begins anew, and asks. A guess must never decide anything but the cost, nor be made where copies
//! are about: they come in numbers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use careq_shared::outcome::EventResult;

use crate::order::{Item, Treatment};

/// For so long after a copy, every event is looked up first.
const COPIES_ARE_ABOUT: Duration = Duration::from_secs(10);

/// What a transaction takes its events for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// New, but for those of which the ledger must know.
    Assumed,
    /// Whatever the ledger says of each.
    LookedUp,
}

impl Novelty {
    /// Whether the ledger is asked for this event before it is applied. Of one that was parked, is replayed or has failed before, it knows.
    pub(crate) fn is_looked_up(self, item: &Item) -> bool {
        let is_known =
            item.place.is_none() || item.replay.is_some() || !matches!(item.treatment, Treatment::Ordinary);
        self == Self::LookedUp || is_known
    }
}

/// When a worker last met a copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copies(Arc<Mutex<Option<Instant>>>);

impl Copies {
    /// What the next transaction takes its events for, at first.
    pub(crate) fn expectation(&self) -> Novelty {
        let seen_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let are_about = seen_at.is_some_and(|seen_at| seen_at.elapsed() < COPIES_ARE_ABOUT);
        if are_about { Novelty::LookedUp } else { Novelty::Assumed }
    }

    /// Remembers whether there was a copy among these.
    pub(crate) fn note(&self, results: &[EventResult]) {
        if results.iter().any(|result| result.replayed) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}
