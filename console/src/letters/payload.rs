//! What a letter holds, opened: an event as CareQ would send it, or bytes that are none. It is a patient's data, and must go to
//! nobody but the one who asked.

use std::collections::BTreeMap;

use careq_shared::entities::dead_letter;
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::redact;
use careq_shared::seal::{AssociatedData, Seal, Sealed};
use sea_orm::DbErr;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::Error;

/// An opened payload.
#[derive(Clone, PartialEq)]
pub enum Payload {
    /// An event.
    Event(Box<Event>),
    /// Bytes that are no event.
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Payload({})", self.shape())
    }
}

impl Payload {
    /// Opens a letter's payload.
    pub(crate) fn open(seal: &Seal, letter: &dead_letter::Model) -> Result<Self, Error> {
        let sealed = Sealed::stored_bytes(&letter.payload);
        let bytes = seal.open(AssociatedData::dead_letter(&letter.id.to_string()), &sealed)?;
        // A message that came sealed under a key that its worker did not have.
        let bytes = seal.open_message(&bytes).ok().flatten().unwrap_or(bytes);
        Ok(match message::decode::<Event>(&bytes) {
            Ok(event) => Self::Event(Box::new(event)),
            Err(_) => Self::Bytes(bytes),
        })
    }

    /// Names, types and sizes, and no value.
    #[must_use]
    pub fn shape(&self) -> String {
        match self {
            Self::Event(event) => redact::record(&event.record),
            Self::Bytes(bytes) => redact::shape(bytes),
        }
    }

    /// What a person is shown: the body, or the bytes as text as far as they are.
    ///
    /// # Errors
    /// Never: what was accepted can be written.
    pub fn in_clear(&self) -> Result<InClear, Error> {
        match self {
            Self::Event(event) => {
                let body =
                    body(event).map_err(|_| DbErr::Custom("the event cannot be written".to_owned()))?;
                Ok(InClear::Body(body))
            }
            Self::Bytes(bytes) => Ok(InClear::Text(String::from_utf8_lossy(bytes).into_owned())),
        }
    }
}

/// A payload for a person. Its values stay text: they are a client's.
#[derive(Serialize)]
#[serde(untagged)]
pub enum InClear {
    /// The body as CareQ would send it, to be looked at and corrected.
    Body(BTreeMap<String, Box<RawValue>>),
    /// Bytes that are no event.
    Text(String),
}

fn body(event: &Event) -> Result<BTreeMap<String, Box<RawValue>>, serde_json::Error> {
    let text = serde_json::to_string(&event.record)?;
    // The one member of a record is named after its kind.
    let record: BTreeMap<&str, BTreeMap<String, Box<RawValue>>> = serde_json::from_str(&text)?;
    let mut body: BTreeMap<_, _> = record.into_values().flatten().collect();
    body.insert("careq_id".to_owned(), to_raw_value(&event.careq_id)?);
    body.insert("clinic_id".to_owned(), to_raw_value(&event.clinic_id)?);
    body.retain(|_, value| value.get() != "null");
    // A price is stored as text, so that it keeps its digits, and sent as a number.
    if let Some(price) = body.get_mut("price") {
        *price = serde_json::from_str(price.get().trim_matches('"'))?;
    }
    Ok(body)
}
