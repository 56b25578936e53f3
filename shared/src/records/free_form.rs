//! Text that may be JSON, as it is encoded in messages. JSON stays JSON: as text within JSON, each backslash and
//! quotation mark would take two bytes, which could double the size of a message.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
use serde_json::value::RawValue;

#[expect(clippy::ref_option, reason = "as serde calls it")]
pub(super) fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let is_in_brackets = |text: &&String| {
        (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'))
    };
    // JSON is written and read unchanged.
    match text.as_ref().filter(is_in_brackets).and_then(|text| serde_json::from_str::<&RawValue>(text).ok()) {
        Some(json) => json.serialize(serializer),
        None => text.serialize(serializer),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(json) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(None) };
    match json.get().bytes().next() {
        Some(b'{' | b'[') => Ok(Some(String::from(Box::<str>::from(json)))),
        // Text, and JSON that was encoded as text.
        _ => serde_json::from_str(json.get()).map(Some).map_err(D::Error::custom),
    }
}
