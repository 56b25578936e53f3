//! What everybody knows of dead letters: their words, their ids, and which of them have the same cause. How a letter comes to be is
//! the worker's business, and what a person does with it the console's.

mod fingerprint;
mod open;
pub(crate) mod state;

use uuid::Uuid;

pub use fingerprint::fingerprint;
pub use open::{Age, Open, open};
pub use state::{Class, DeadLetterState};

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
