//! Which events are taken for new before the ledger is asked. Nearly all are, and of a copy the ledger's own unique key tells when it is
//! written: the transaction then begins anew, and asks. A guess must never decide anything but the cost, nor be made where copies
//! are about: they come in numbers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::dedupe;
use crate::order::{Item, Treatment};
use crate::working_set::WorkingSet;

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
    /// Whether the ledger is asked for this event before it is applied.
    pub(crate) fn is_looked_up(self, item: &Item) -> bool {
        self == Self::LookedUp || !looks_new(item)
    }
}

/// Whether nothing speaks against it. Of an event that was parked, is replayed or has failed before, the ledger knows; and one that was
/// handed out before may have been stored, or have brought a worker down.
pub(crate) fn looks_new(item: &Item) -> bool {
    item.place.is_some()
        && item.replay.is_none()
        && !item.is_redelivered
        && matches!(item.treatment, Treatment::Ordinary)
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

    /// Remembers whether the ledger, as it was read, has an event that had looked new.
    pub(crate) fn note(&self, items: &[Item], set: &WorkingSet) {
        if items.iter().any(|item| looks_new(item) && dedupe::is_known(set, &item.event)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}
