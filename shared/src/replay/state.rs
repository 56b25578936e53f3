//! The states of a replay job and of a letter in it.

use crate::words;

words! {
    /// The state of a job.
    JobState {
        /// A worker publishes its letters.
        Running = "running",
        /// Nothing is published until it is resumed.
        Paused = "paused",
        /// The letters without a result were reopened.
        Cancelled = "cancelled",
        /// Every letter has been tried; some may wait for a parent.
        Finished = "finished",
    }
}

words! {
    /// The state of one letter of a job.
    JobLetterState {
        /// Not yet published.
        Pending = "pending",
        /// The broker has confirmed it, and no worker has settled it.
        Published = "published",
        /// It waits for a parent or another attempt, and will end by itself.
        Waiting = "waiting",
        /// Its event was stored.
        Resolved = "resolved",
        /// It failed again, and its letter was reopened.
        Failed = "failed",
        /// It could not or need not be replayed; the note gives the reason.
        Skipped = "skipped",
        /// The job was cancelled first.
        Cancelled = "cancelled",
    }
}

impl JobLetterState {
    /// The states in which a letter is unfinished.
    pub const UNDER_WAY: [Self; 3] = [Self::Pending, Self::Published, Self::Waiting];
}
