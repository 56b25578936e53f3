//! Places where a test may end this process at once, as `kill -9` would. They exist in builds with debug assertions only: a
//! release must never have one.

/// A place between two steps that a process may come to its end at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Ingress: the event is made, and nobody else knows of it.
    Validated,
    /// Ingress: the broker has confirmed the event, and CareQ has no answer yet.
    Confirmed,
    /// Worker: a batch is taken from the broker.
    Taken,
    /// Worker: its batches are noted.
    Admitted,
    /// Worker: in the transaction, everything is read and locked.
    Loaded,
    /// Worker: in the transaction, everything is written.
    Persisted,
    /// Worker: a transaction is committed, others of the batch may not be.
    Committed,
    /// Worker: the whole batch is committed, and with it what the last one woke; nobody knows of it.
    Woken,
    /// Worker: results are told, nothing is acknowledged to the broker.
    Reported,
    /// Worker: the batch is acknowledged, nobody has been woken.
    Acknowledged,
    /// Worker: a due event is claimed for its next attempt, which is counted.
    Claimed,
    /// Worker: letters of a replay job are published and confirmed, and the job does not know it.
    Replayed,
    /// Worker: in a transaction, what is over is forgotten.
    Forgotten,
}

impl CrashPoint {
    /// Every place in the way of an event, in the order in which it comes by. What replays letters, and what
    /// forgets, has a place of its own.
    pub const ALL: [Self; 11] = [
        Self::Validated,
        Self::Confirmed,
        Self::Taken,
        Self::Admitted,
        Self::Loaded,
        Self::Persisted,
        Self::Committed,
        Self::Woken,
        Self::Reported,
        Self::Acknowledged,
        Self::Claimed,
    ];

    /// Its name, for the variable `TEST_CRASH_AT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Confirmed => "confirmed",
            Self::Taken => "taken",
            Self::Admitted => "admitted",
            Self::Loaded => "loaded",
            Self::Persisted => "persisted",
            Self::Committed => "committed",
            Self::Woken => "woken",
            Self::Reported => "reported",
            Self::Acknowledged => "acknowledged",
            Self::Claimed => "claimed",
            Self::Replayed => "replayed",
            Self::Forgotten => "forgotten",
        }
    }
}

/// Says that the process has come by. It ends here if `TEST_CRASH_AT` names this place, as `name` or as `name:times` for
/// the nth time.
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

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
pub const fn reached(_: CrashPoint) {}
