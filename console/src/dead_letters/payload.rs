//! The content of a dead letter: an event, or bytes that could not be decoded as one. It is a patient's data.

use std::collections::BTreeMap;

use careq_shared::entities::dead_letter;
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::redact;
use careq_shared::seal::{AssociatedData, Seal, Sealed};
use sea_orm::{DatabaseConnection, DbErr, EntityTrait as _};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use uuid::Uuid;

use crate::error::Error;

/// A decrypted payload.
#[derive(Clone, PartialEq)]
pub enum Payload {
    /// An event.
    Event(Box<Event>),
    /// Bytes that could not be decoded as an event.
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Payload({})", self.shape())
    }
}

impl Payload {
    /// Reads and decrypts a dead letter's payload.
    pub(super) async fn read(database: &DatabaseConnection, seal: &Seal, id: Uuid) -> Result<Self, Error> {
        let row = dead_letter::Entity::find_by_id(id).one(database).await?;
        Self::open(seal, &row.ok_or_else(|| Error::UnknownLetter(id.to_string()))?)
    }

    /// Decrypts a dead letter's payload.
    pub(crate) fn open(seal: &Seal, letter: &dead_letter::Model) -> Result<Self, Error> {
        let sealed = Sealed::stored_bytes(&letter.payload);
        let bytes = seal.open(AssociatedData::dead_letter(&letter.id.to_string()), &sealed)?;
        // The worker stores a message that it cannot decrypt as it came. If that still fails, the sealed bytes are the payload.
        let bytes = match seal.open_message(&bytes) {
            Ok(Some(message)) => message,
            Ok(None) | Err(_) => bytes,
        };
        Ok(match message::decode::<Event>(&bytes) {
            Ok(event) => Self::Event(Box::new(event)),
            Err(_) => Self::Bytes(bytes),
        })
    }

    /// The payload's structure: names, types and sizes, without values.
    #[must_use]
    pub fn shape(&self) -> String {
        match self {
            Self::Event(event) => redact::record(&event.record),
            Self::Bytes(bytes) => redact::shape(bytes),
        }
    }

    /// The payload for a person: the body as JSON; or the bytes as text, with U+FFFD for invalid UTF-8.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub fn plaintext(&self) -> Result<Plaintext, Error> {
        match self {
            Self::Event(event) => {
                let body =
                    body(event).map_err(|_| DbErr::Custom("the event cannot be written".to_owned()))?;
                Ok(Plaintext::Body(body))
            }
            Self::Bytes(bytes) => Ok(Plaintext::Text(String::from_utf8_lossy(bytes).into_owned())),
        }
    }
}

/// A payload for a person. Values keep the spelling of the event.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Plaintext {
    /// The body as CareQ would send it, which can be corrected.
    Body(BTreeMap<String, Box<RawValue>>),
    /// Bytes that could not be decoded as an event.
    Text(String),
}

fn body(event: &Event) -> Result<BTreeMap<String, Box<RawValue>>, serde_json::Error> {
    let text = serde_json::to_string(&event.record)?;
    // A record is an object with one member, named after the kind.
    let record: BTreeMap<&str, BTreeMap<String, Box<RawValue>>> = serde_json::from_str(&text)?;
    let mut body: BTreeMap<_, _> = record.into_values().flatten().collect();
    body.insert("careq_id".to_owned(), to_raw_value(&event.careq_id)?);
    body.insert("clinic_id".to_owned(), to_raw_value(&event.clinic_id)?);
    body.retain(|_, value| value.get() != "null");
    // A price is stored as a string, to keep its digits, but sent as a number.
    if let Some(price) = body.get_mut("price") {
        *price = serde_json::from_str(price.get().trim_matches('"'))?;
    }
    Ok(body)
}
