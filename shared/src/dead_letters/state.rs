//! The words of a dead letter: its class and its state.

use crate::words;

words! {
    /// The reason of a dead letter, by the remedy.
    Class {
        /// The parent never arrived.
        MissingParent = "missing_parent",
        /// Its key, its hash or its `batch_id` belongs to another event.
        Conflict = "conflict",
        /// The database can never store it.
        Data = "data",
        /// It failed at every attempt.
        Exhausted = "exhausted",
        /// Every attempt ended without a result: the event may crash workers.
        CrashLoop = "crash_loop",
        /// Its bytes cannot be decoded.
        Undecodable = "undecodable",
        /// It corrects another letter, and has not been tried.
        Correction = "correction",
    }
}

words! {
    /// The state of a dead letter. Another failure of the event reopens its letter, whatever a person decided.
    DeadLetterState {
        /// It needs a person.
        Open = "open",
        /// It is being replayed, by a job or because CareQ has sent it again.
        Replaying = "replaying",
        /// Its event was stored.
        Resolved = "resolved",
        /// A person has discarded it, with a reason.
        Discarded = "discarded",
        /// A person has corrected it. The correction is another letter, which names this one.
        Superseded = "superseded",
    }
}
