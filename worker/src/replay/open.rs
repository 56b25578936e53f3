//! Opens the payloads of letters. One that gives nothing that this version can read must never be published: its letter stays for a
//! person. Whether it can is decided by trying: what one version cannot read, another can.

use bytes::Bytes;
use careq_shared::entities::dead_letter;
use careq_shared::event::Event;
use careq_shared::message::{self, Message};
use careq_shared::seal::{AssociatedData, Sealed};
use uuid::Uuid;

use crate::lane::Lane;

/// What letters hold.
pub(super) struct Opened {
    pub(super) events: Vec<Event>,
    /// Whole messages, which another version could not read.
    pub(super) messages: Vec<(Uuid, Bytes)>,
    /// Letters that can only be corrected or discarded, with a sentence that says why.
    pub(super) unreadable: Vec<(Uuid, String)>,
}

/// Opens each.
pub(super) fn each(lane: &Lane, letters: &[dead_letter::Model]) -> Opened {
    let mut opened =
        Opened { events: Vec::with_capacity(letters.len()), messages: Vec::new(), unreadable: Vec::new() };
    for letter in letters {
        match bytes(lane, letter) {
            Ok(bytes) => opened.add(letter.id, bytes),
            Err(reason) => opened.unreadable.push((letter.id, reason)),
        }
    }
    opened
}

fn bytes(lane: &Lane, letter: &dead_letter::Model) -> Result<Vec<u8>, String> {
    let sealed = Sealed::stored_bytes(&letter.payload);
    let opened = lane.seal.open(AssociatedData::dead_letter(&letter.id.to_string()), &sealed);
    let bytes = opened.map_err(|reason| format!("It cannot be opened: {reason}"))?;
    // A message that came sealed under a key that its worker did not have.
    Ok(lane.seal.open_message(&bytes).ok().flatten().unwrap_or(bytes))
}

impl Opened {
    fn add(&mut self, letter: Uuid, bytes: Vec<u8>) {
        if let Ok(event) = message::decode(&bytes) {
            self.events.push(event);
        } else if message::decode::<Message>(&bytes).is_ok() {
            self.messages.push((letter, bytes.into()));
        } else {
            let reason = "Its bytes are nothing that this version can read: correct or discard it";
            self.unreadable.push((letter, reason.to_owned()));
        }
    }
}
