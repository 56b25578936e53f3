//! The words of a dead letter: its class and its state.

use crate::words;

words! {
    /// Why an event is dead, by what a person can do about it.
    Class {
        /// The record that it refers to never came.
        MissingParent = "missing_parent",
        /// Something of it belongs to another: its key, its hash, its `batch_id`.
        Conflict = "conflict",
        /// The database can never take it.
        Data = "data",
        /// It failed at every attempt.
        Exhausted = "exhausted",
        /// Every attempt ended without a result: it may bring workers down.
        CrashLoop = "crash_loop",
        /// Its bytes are no message.
        Undecodable = "undecodable",
        /// A person has corrected another letter with it, and it has not been tried yet.
        Correction = "correction",
    }
}

words! {
    /// Where a letter stands. An event that fails again opens its letter again, whatever a person had decided.
    DeadLetterState {
        /// It needs a person.
        Open = "open",
        /// Under way again: by a replay job, or because CareQ has sent it again.
        Replaying = "replaying",
        /// Its event went through.
        Resolved = "resolved",
        /// A person has given it up, with a reason.
        Discarded = "discarded",
        /// A person has corrected it; the correction is a letter of its own, which names this one.
        Superseded = "superseded",
    }
}
