//! The shape of a payload for logs: the specification's field names, with the type and the size of each value. Values
//! and other names are left out, because a client controls them (a test checks).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::json::{Document, NotAnObject, Object, Raw};
use crate::records::{self, Kind, Record};

/// The field names that may be shown.
static NAMES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let fields = Kind::ALL.into_iter().flat_map(records::rules).map(|field| field.name);
    fields.chain(["batch_id", "records", "type", "data"]).collect()
});

/// The form of a record in JSON.
const ONE_MEMBER: &str = "a record is an object whose one member is named after its kind";

/// The shape of a body.
pub fn shape(body: &[u8]) -> String {
    match Document::parse(body) {
        Ok(document) => document_shape(&document),
        Err(fault) => non_object_shape(body.len(), fault),
    }
}

/// The shape of a body that is not an object.
pub fn non_object_shape(bytes: usize, fault: NotAnObject) -> String {
    match fault {
        NotAnObject::OtherValue => format!("JSON of {bytes} bytes, not an object"),
        NotAnObject::TooDeep | NotAnObject::TooManyValues => {
            format!("{bytes} bytes, beyond the limits of JSON")
        }
        NotAnObject::Utf8 | NotAnObject::Json { .. } => format!("{bytes} bytes, not JSON"),
    }
}

/// The shape of an accepted record.
#[expect(clippy::expect_used, reason = "an empty shape would hide the payload from the operator")]
pub fn record(record: &Record) -> String {
    let text = serde_json::to_string(record).expect("a record can be written as JSON");
    let record = Raw::from_canonical(&text).as_object().expect(ONE_MEMBER);
    let (_, data) = record.members().next().expect(ONE_MEMBER);
    object_shape(&data.as_object().expect(ONE_MEMBER))
}

/// The `careq_id` of a body. It is CareQ's own number, and not personal data.
pub fn careq_id(body: &Document) -> Option<i64> {
    body.object().get("careq_id")?.as_i64()
}

/// The shape of a parsed body.
pub fn document_shape(body: &Document) -> String {
    object_shape(&body.object())
}

fn object_shape(members: &Object<'_>) -> String {
    let (mut known, unknown): (Vec<_>, Vec<_>) =
        members.members().partition(|(name, _)| NAMES.contains(name));
    known.sort_by_key(|(name, _)| *name);
    let mut shape = "{".to_owned();
    let mut add = |name: &str, value: &str| {
        let comma = if shape.len() > 1 { "," } else { "" };
        shape.extend([comma, "\"", name, "\":", value]);
    };
    let unknown = unknown.len() + usize::from(members.has_unreadable_name());
    if unknown > 0 {
        add("(other fields)", &unknown.to_string());
    }
    for (name, value) in known {
        add(name, &value_shape(name, value));
    }
    shape + "}"
}

fn value_shape(name: &str, value: Raw<'_>) -> String {
    // The numbers of records tell an operator where to look. A longer number is not one of them.
    if let Some(number) = value.as_i64().filter(|_| name.ends_with("careq_id")) {
        return number.to_string();
    }
    if let Some(text) = value.as_str() {
        return format!("\"text of {}\"", text.chars().count());
    }
    if let Some(items) = value.as_list() {
        return format!("\"list of {}\"", items.len());
    }
    match value.as_object() {
        Some(data) if name == "data" => object_shape(&data),
        Some(members) => format!("\"object of {}\"", members.members().count()),
        None if value.is_null() => "null".to_owned(),
        None if value.as_bool().is_some() => "\"boolean\"".to_owned(),
        None if value.is_text() => "\"text that is no Unicode\"".to_owned(),
        None => "\"number\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_come_through_and_nothing_else() {
        let body = br#"{"careq_id": 7, "first_name": "Asha", "phone_number": 9000000001, "Asha Rao": "Asha", "notes": null,
                        "is_private": true, "prescription": {"Asha": 1}, "records": [{"Asha": 2}], "city": "\ud83d"}"#;
        assert_eq!(
            shape(body),
            r#"{"(other fields)":1,"careq_id":7,"city":"text that is no Unicode","first_name":"text of 4","is_private":"boolean","notes":null,"phone_number":"number","prescription":"object of 1","records":"list of 1"}"#
        );
        assert_eq!(shape(b"Asha"), "4 bytes, not JSON");
        assert_eq!(shape(b"[\"Asha\"]"), "JSON of 8 bytes, not an object");
        assert_eq!(shape(br#"{"careq_id": "Asha"}"#), r#"{"careq_id":"text of 4"}"#);
        assert_eq!(shape(&b"[".repeat(100)), "100 bytes, beyond the limits of JSON");
        let document = Document::parse(body).unwrap();
        assert_eq!(careq_id(&document), Some(7));
    }
}
