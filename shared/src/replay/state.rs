//! The states of a replay job and of a letter in it.

use crate::words;

words! {
    /// Where a job stands.
    JobState {
        /// A worker publishes its letters, or will when one is there.
        Running = "running",
        /// It publishes nothing until it is resumed.
        Paused = "paused",
        /// What had no outcome by then is open again.
        Cancelled = "cancelled",
        /// Each of its letters has been tried; some may still wait for a parent.
        Finished = "finished",
    }
}

words! {
    /// Where one letter of a job stands.
    JobLetterState {
        /// Not yet published.
        Pending = "pending",
        /// The broker has confirmed it, and no worker has said what became of it.
        Published = "published",
        /// It waits for a parent or another attempt, and will end by itself.
        Waiting = "waiting",
        /// Its event went through.
        Resolved = "resolved",
        /// It failed again, and its letter is open again.
        Failed = "failed",
        /// It could not or need not be replayed; the note says why.
        Skipped = "skipped",
        /// The job was cancelled before.
        Cancelled = "cancelled",
    }
}

impl JobLetterState {
    /// What a job has still to see to the end.
    pub const UNDER_WAY: [Self; 3] = [Self::Pending, Self::Published, Self::Waiting];
}
