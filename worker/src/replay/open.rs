//! Opens the payloads of letters. One that gives no event must never be published: its letter stays for a person.

use careq_shared::entities::dead_letter;
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::seal::{Place, Sealed};
use uuid::Uuid;

use crate::lane::Lane;

/// What letters hold.
pub(super) struct Opened {
    pub(super) events: Vec<Event>,
    /// Letters that give no event, with a sentence that says why.
    pub(super) unreadable: Vec<(Uuid, String)>,
}

/// Opens each.
pub(super) fn each(lane: &Lane, letters: &[dead_letter::Model]) -> Opened {
    let mut opened = Opened { events: Vec::with_capacity(letters.len()), unreadable: Vec::new() };
    for letter in letters {
        match event(lane, letter) {
            Ok(event) => opened.events.push(event),
            Err(reason) => opened.unreadable.push((letter.id, reason)),
        }
    }
    opened
}

fn event(lane: &Lane, letter: &dead_letter::Model) -> Result<Event, String> {
    let sealed = Sealed::stored_bytes(&letter.payload);
    let opened = lane.seal.open(Place::dead_letter(&letter.id.to_string()), &sealed);
    let bytes = opened.map_err(|reason| format!("It cannot be opened: {reason}"))?;
    message::decode(&bytes).map_err(|_| "Its bytes are no event: correct or discard it".to_owned())
}
