//! Whether the ledger is queried before an event is applied. A first delivery is assumed to be new, so the ledger is not queried. If its
//! insert hits the unique key, the transaction is retried with the lookup. After a duplicate every event is looked up for a while, since
//! duplicates come in numbers. The assumption affects the cost only.

use std::time::Duration;

use crate::context::Context;
use crate::item::{Item, Treatment};

/// How long every event is looked up after a duplicate.
const LOOKUP_AFTER_DUPLICATE: Duration = Duration::from_secs(10);

/// Which events of a transaction are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LedgerCheck {
    /// Only those that may be in the ledger.
    Skip,
    /// All.
    Lookup,
}

impl LedgerCheck {
    /// For the first try of the next transaction.
    pub(crate) fn first(context: &Context) -> Self {
        let seen_at = *context.duplicate_seen_at.borrow();
        let is_recent = seen_at.is_some_and(|seen_at| seen_at.elapsed() < LOOKUP_AFTER_DUPLICATE);
        if is_recent { Self::Lookup } else { Self::Skip }
    }

    /// Whether the ledger is queried for this event.
    pub(crate) fn looks_up(self, item: &Item) -> bool {
        self == Self::Lookup || !looks_new(item)
    }
}

/// Whether an event is assumed to be new. The ledger has an event that was parked, is replayed or has failed before; a redelivered one
/// may have been stored, or have crashed a worker.
pub(crate) fn looks_new(item: &Item) -> bool {
    item.position.is_some()
        && item.replay.is_none()
        && !item.is_redelivered
        && matches!(item.treatment, Treatment::Ordinary)
}
