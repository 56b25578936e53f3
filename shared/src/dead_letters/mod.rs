//! The words, ids and fingerprints of dead letters, for the worker that writes them and the console that shows them.

mod fingerprint;
mod open;
pub(crate) mod state;

use uuid::Uuid;

pub use fingerprint::fingerprint;
pub use open::{Age, Open, open};
pub use state::{Class, DeadLetterState};

/// The id of an event's letter. An event has one letter, however often it fails.
pub fn letter_id(event_id: &str) -> Uuid {
    id_of(event_id.as_bytes())
}

/// The id of a letter whose content is not an event.
pub fn id_of(content: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, content)
}
