//! What everybody knows of dead letters: their words, their ids, and which of them have the same cause. How a letter comes to be is
//! the worker's business, and what a person does with it the console's.

mod fingerprint;
mod open;

use uuid::Uuid;

use crate::words;

pub use fingerprint::fingerprint;
pub use open::{Age, Open, open};

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

/// The letter of an event: an event has one, however often it fails.
#[must_use]
pub fn letter_id(event_id: &str) -> Uuid {
    id_of(event_id.as_bytes())
}

/// The letter of bytes that are no event.
#[must_use]
pub fn id_of(content: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, content)
}
