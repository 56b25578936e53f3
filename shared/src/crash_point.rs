//! Points at which a test can end this process immediately, like `kill -9`. They exist only in builds with debug
//! assertions, never in a release.

use crate::words;

words! {
    /// A point between two steps of a process, in the order in which an event passes them. The value of the variable
    /// `TEST_CRASH_AT` names it.
    CrashPoint {
        /// Ingress: the event exists in memory only.
        Validated = "validated",
        /// Ingress: the broker has confirmed the event, and the response is not sent.
        Confirmed = "confirmed",
        /// Worker: a batch is received from the broker.
        Taken = "taken",
        /// Worker: the batches in it are registered.
        Registered = "registered",
        /// Worker: everything is read and locked in the transaction.
        Loaded = "loaded",
        /// Worker: everything is written in the transaction.
        Persisted = "persisted",
        /// Worker: a transaction is committed; others of the batch may not be.
        Committed = "committed",
        /// Worker: the whole batch is committed, with the events that its last commit unparked. No result is sent.
        BatchCommitted = "batch_committed",
        /// Worker: results are sent, and the batch is not acknowledged.
        Reported = "reported",
        /// Worker: the batch is acknowledged, and parked events are not searched.
        Acknowledged = "acknowledged",
        /// Worker: a due event is claimed for its next attempt, and the attempt is counted.
        Claimed = "claimed",
        /// Worker: letters of a replay job are published and confirmed, and the job does not record it.
        Replayed = "replayed",
        /// Worker: expired rows are deleted in an open transaction.
        Deleted = "deleted",
    }
}

/// Marks that the process has reached a point. It aborts if `TEST_CRASH_AT` names the point, as `name`, or as
/// `name:times` for the nth time.
#[cfg(debug_assertions)]
pub fn reached(point: CrashPoint) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static CHOSEN: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "a test's business, and no setting of the product")]
        let chosen = std::env::var("TEST_CRASH_AT").ok()?;
        let (name, times) = chosen.split_once(':').unwrap_or((&chosen, "1"));
        Some((name.to_owned(), times.parse().ok()?))
    });
    static PASSED: AtomicU32 = AtomicU32::new(0);

    if let Some((name, times)) = CHOSEN.as_ref()
        && name == point.as_str()
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 >= *times
    {
        std::process::abort();
    }
}

/// Does nothing in a release.
#[cfg(not(debug_assertions))]
pub const fn reached(_: CrashPoint) {}
