//! Decrypts and decodes the payloads of dead letters. A payload that this version cannot read is not published: its dead letter stays
//! for a person.

use bytes::Bytes;
use careq_shared::entities::dead_letter;
use careq_shared::event::Event;
use careq_shared::message::{self, Content, Message};
use careq_shared::seal::{AssociatedData, Sealed};
use uuid::Uuid;

use crate::context::Context;

/// Content of dead letters.
pub(super) struct Opened {
    pub(super) events: Vec<Event>,
    /// Whole messages that another version could not decode.
    pub(super) messages: Vec<WholeMessage>,
    /// Dead letters that can only be corrected or discarded, with the reason.
    pub(super) unreadable: Vec<(Uuid, String)>,
}

/// A message, and its dead letter.
pub(super) struct WholeMessage {
    pub(super) letter: Uuid,
    pub(super) clinic_id: String,
    pub(super) body: Bytes,
}

/// Opens each dead letter.
pub(super) fn each(context: &Context, letters: &[dead_letter::Model]) -> Opened {
    let mut opened =
        Opened { events: Vec::with_capacity(letters.len()), messages: Vec::new(), unreadable: Vec::new() };
    for letter in letters {
        match bytes(context, letter) {
            Ok(bytes) => opened.add(letter.id, bytes),
            Err(reason) => opened.unreadable.push((letter.id, reason)),
        }
    }
    opened
}

fn bytes(context: &Context, letter: &dead_letter::Model) -> Result<Vec<u8>, String> {
    let sealed = Sealed::stored_bytes(&letter.payload);
    let opened = context.seal.open(AssociatedData::dead_letter(&letter.id.to_string()), &sealed);
    let bytes = opened.map_err(|reason| format!("It cannot be opened: {reason}"))?;
    // A message encrypted under a key that its worker did not have.
    Ok(context.seal.open_message(&bytes).ok().flatten().unwrap_or(bytes))
}

impl Opened {
    fn add(&mut self, letter: Uuid, bytes: Vec<u8>) {
        if let Ok(event) = message::decode(&bytes) {
            self.events.push(event);
        } else if let Some(clinic_id) = clinic_of(&bytes) {
            self.messages.push(WholeMessage { letter, clinic_id, body: bytes.into() });
        } else {
            let reason = "Its bytes are nothing that this version can read: correct or discard it";
            self.unreadable.push((letter, reason.to_owned()));
        }
    }
}

/// The clinic of a whole message.
fn clinic_of(bytes: &[u8]) -> Option<String> {
    let message: Message = message::decode(bytes).ok()?;
    match message.content {
        Content::Event(event) => Some(event.clinic_id),
        Content::Batch(batch) => Some(batch.clinic_id),
        // Published for one clinic.
        Content::Replay(replay) => replay.events.into_iter().next().map(|event| event.clinic_id),
    }
}
