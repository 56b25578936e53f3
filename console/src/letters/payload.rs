//! What a letter holds, opened: an event as CareQ would send it, or bytes that are none. It is a patient's data, and must go to
//! nobody but the one who asked.

use careq_shared::entities::dead_letter;
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::redact;
use careq_shared::seal::{Place, Seal, Sealed};
use serde_json::{Map, Value};

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
        let bytes = seal.open(Place::dead_letter(&letter.id.to_string()), &sealed)?;
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

    /// The body as CareQ would send it, to be looked at and corrected; nothing where the bytes are no event.
    #[must_use]
    pub fn body(&self) -> Option<Map<String, Value>> {
        let Self::Event(event) = self else { return None };
        let mut body = Map::new();
        body.insert("careq_id".to_owned(), event.careq_id.into());
        body.insert("clinic_id".to_owned(), event.clinic_id.clone().into());
        // The one member of a record is named after its kind.
        if let Ok(Value::Object(record)) = serde_json::to_value(&event.record) {
            body.extend(record.into_iter().filter_map(|(_, fields)| object(fields)).flatten());
        }
        body.retain(|_, value| !value.is_null());
        price_as_number(&mut body);
        Some(body)
    }

    /// What a person is shown: the body, or the bytes as text as far as they are.
    #[must_use]
    pub fn value(&self) -> Value {
        match (self.body(), self) {
            (Some(body), _) => Value::Object(body),
            (None, Self::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned().into(),
            (None, Self::Event(_)) => Value::Null,
        }
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// A price is stored as text, so that it keeps its digits, and sent as a number.
fn price_as_number(body: &mut Map<String, Value>) {
    if let Some(price) = body.get_mut("price")
        && let Some(number) = price.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok())
        && number.is_number()
    {
        *price = number;
    }
}
