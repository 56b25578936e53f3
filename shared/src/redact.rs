//! A payload as a log may show it: the specification's field names with the type and the size of each value. A value must never
//! come through, nor a name that the specification does not have: a client may have put anything there.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::records::{self, Kind, Record};

/// The names that may be shown.
static NAMES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let fields = Kind::ALL.into_iter().flat_map(records::rules).map(|field| field.name);
    fields.chain(["batch_id", "records", "type", "data"]).collect()
});

/// The shape of a body.
#[must_use]
pub fn shape(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => of_object(&members).to_string(),
        Ok(_) => format!("JSON of {} bytes, not an object", body.len()),
        Err(_) => format!("{} bytes, not JSON", body.len()),
    }
}

/// The shape of an accepted record.
#[must_use]
pub fn record(record: &Record) -> String {
    match serde_json::to_value(record) {
        // The one member is named after the kind.
        Ok(Value::Object(members)) => {
            members.values().filter_map(Value::as_object).map(|data| of_object(data).to_string()).collect()
        }
        _ => String::new(),
    }
}

/// The `careq_id` in a body, which is CareQ's own number and nobody's secret.
#[must_use]
pub fn careq_id(body: &[u8]) -> Option<i64> {
    serde_json::from_slice::<Value>(body).ok()?.get("careq_id")?.as_i64()
}

fn of_object(members: &Map<String, Value>) -> Value {
    let known = members.iter().filter(|(name, _)| NAMES.contains(name.as_str()));
    let mut shape: Map<_, _> = known.map(|(name, value)| (name.clone(), of_value(name, value))).collect();
    let unknown = members.len() - shape.len();
    if unknown > 0 {
        shape.insert("(other fields)".to_owned(), unknown.into());
    }
    Value::Object(shape)
}

fn of_value(name: &str, value: &Value) -> Value {
    match value {
        // CareQ's numbers of records tell an operator where to look. A longer one is none of them.
        Value::Number(number) if name.ends_with("careq_id") && number.as_i64().is_some() => value.clone(),
        Value::Object(members) if name == "data" => of_object(members),
        Value::Null => Value::Null,
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(text) => format!("text of {}", text.chars().count()).into(),
        Value::Array(items) => format!("list of {}", items.len()).into(),
        Value::Object(members) => format!("object of {}", members.len()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_come_through_and_nothing_else() {
        let body = br#"{"careq_id": 7, "first_name": "Asha", "phone_number": 9000000001, "Asha Rao": "Asha", "notes": null,
                        "is_private": true, "prescription": {"Asha": 1}, "records": [{"Asha": 2}]}"#;
        assert_eq!(
            shape(body),
            r#"{"(other fields)":1,"careq_id":7,"first_name":"text of 4","is_private":"boolean","notes":null,"phone_number":"number","prescription":"object of 1","records":"list of 1"}"#
        );
        assert_eq!((shape(b"Asha"), careq_id(b"Asha")), ("4 bytes, not JSON".to_owned(), None));
        assert_eq!(
            (shape(b"[\"Asha\"]"), careq_id(body)),
            ("JSON of 8 bytes, not an object".to_owned(), Some(7))
        );
        assert_eq!(shape(br#"{"careq_id": "Asha"}"#), r#"{"careq_id":"text of 4"}"#);
    }
}
