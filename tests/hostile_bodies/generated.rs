//! Generated hostile bodies: a unit that is repeated until the body has its size.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BATCH_BYTES, WEBHOOK_BYTES};
use crate::harness::{self, CLINIC, OTHER_CLINIC};

pub(super) fn is_from_the_other_clinic(name: &str) -> bool {
    name.len().is_multiple_of(2)
}

/// A generated body of a repeated unit: its name, whether it is a batch, and the bytes.
pub(super) fn generated_body() -> impl Strategy<Value = (String, bool, Bytes)> {
    let units = vec![
        "{\"\":0},",
        "null,",
        "[],",
        "\"\",",
        "\"a\":0,",
        "\"b\":{\"a\":[",
        "[[",
        "{\"a\":",
        "\\u0041",
        "\\\\",
        "\\n",
        "\\\"",
        "\\ud83d",
        "\\ud83d\\ude00",
        "x",
        "é",
        "\\u0001",
        "9",
        "1e999999999,",
        "-0.0000000000000000001,",
        "{\"$serde_json::private::Number\":\"1\"},",
        "{\"\\u0024serde_json::private::RawValue\":\"[\"},",
        "\"N\":1,",
        "\"\\u004eN\":[],",
        "BAD",
        "LONG",
        "SLASHES",
        "UNSORTED",
    ];
    let sizes = prop_oneof![Just(1), Just(1), 2..200_usize];
    (prop::sample::select(units), sizes, any::<bool>()).prop_map(|(unit, part, is_batch)| {
        let bytes = (if is_batch { BATCH_BYTES } else { WEBHOOK_BYTES } - 1_000) / part;
        let name = format!("{unit} / {part}");
        let clinic = if is_from_the_other_clinic(&name) { OTHER_CLINIC } else { CLINIC };
        let body = body_of(unit, bytes, is_batch).replace(CLINIC, clinic);
        (name, is_batch, Bytes::from(body))
    })
}

fn body_of(unit: &str, bytes: usize, is_batch: bool) -> String {
    let times = bytes / unit.len();
    let record = |data: Value| json!({ "type": "appointment", "data": data });
    let appointment = |field: &str, value: Value| {
        let mut appointment = harness::appointment(1);
        appointment[field] = value;
        appointment
    };
    let records: Vec<_> = match unit {
        // Every field is invalid.
        "BAD" => {
            let mut data = appointment("careq_id", json!(0));
            data.as_object_mut().unwrap().values_mut().for_each(|value| *value = json!(0));
            for field in [
                "location",
                "notes",
                "prescription",
                "referred_by",
                "color",
                "hash",
                "created_at",
                "updated_at",
            ] {
                data[field] = json!(0);
            }
            vec![record(data); 1_000]
        }
        "LONG" => {
            vec![record(appointment("notes", "x".repeat((bytes / 1_000).saturating_sub(500)).into())); 1_000]
        }
        "SLASHES" => {
            vec![
                record(appointment("prescription", json!(["\\".repeat((bytes / 2_000).saturating_sub(250))])));
                1_000
            ]
        }
        _ => Vec::new(),
    };
    let records: String = records.iter().map(|record| record.to_string() + ",").collect();
    let records = if bytes < 1_000_000 { "" } else { records.trim_end_matches(',') };
    let inner = match unit {
        "\"N\":1," | "\"\\u004eN\":[]," => {
            let member = |number: usize| unit.replace('N', &number.to_string());
            let members: String = (0..bytes / (unit.len() + 5)).map(member).collect();
            format!("{{{}}}", members.trim_end_matches(','))
        }
        "UNSORTED" => (0..60).fold(format!("\"{}\"", "x".repeat(bytes.saturating_sub(1_000))), |inner, _| {
            format!(r#"{{"b":{inner},"a":1}}"#)
        }),
        unit if unit.ends_with(':') || unit.ends_with('[') => unit.repeat(times),
        unit if unit.starts_with("\"a\":") => format!("{{{}\"z\":0}}", unit.repeat(times)),
        unit if unit.ends_with(',') => format!("[{}0]", unit.repeat(times)),
        "9" => unit.repeat(times),
        unit => format!("\"{}\"", unit.repeat(times)),
    };
    if !is_batch {
        let mut appointment = appointment("prescription", json!("HERE"));
        appointment["careq_id"] = json!(7);
        return appointment.to_string().replace("\"HERE\"", &inner);
    }
    let records = if records.is_empty() { inner } else { format!("[{records}]") };
    format!(r#"{{"clinic_id":"{CLINIC}","records":{records},"batch_id":"b"}}"#)
}
