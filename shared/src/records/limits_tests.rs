//! Tests of absent fields, of the notation of numbers, and of the limits that an installation sets.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::tests::{read, read_text, smallest};
use super::{Field, FieldErrors, Identified, Kind, Limits, Record, rules};
use crate::json::Document;

const DAY: TimeDelta = TimeDelta::days(1);

fn accepted_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_765_360_800, 0).unwrap()
}

fn limited(kind: Kind, body: &Map<String, Value>, limits: Limits) -> Result<Identified, FieldErrors> {
    let document = Document::parse(Value::Object(body.clone()).to_string().as_bytes()).unwrap();
    super::read(kind, &document.object(), limits, accepted_at())
}

fn at(instant: DateTime<Utc>) -> Value {
    json!(instant.to_rfc3339())
}

/// Two empty texts would collide in a unique column, and a required one would be empty.
#[test]
fn an_empty_text_says_that_a_field_is_absent() {
    for kind in Kind::ALL {
        let without = read(kind, &smallest(kind)).unwrap();
        for Field { name, .. } in rules(kind).into_iter().filter(|field| !field.is_required) {
            let mut body = smallest(kind);
            body.insert(name.to_owned(), json!(""));
            assert_eq!(read(kind, &body).as_ref(), Ok(&without), "{kind} {name}");
        }
    }
}

#[test]
fn a_blank_text_is_a_text() {
    let mut body = smallest(Kind::Patient);
    body.insert("notes".to_owned(), json!(" "));
    let Record::Patient(patient) = read(Kind::Patient, &body).unwrap().record else { panic!() };
    assert_eq!(patient.notes.as_deref(), Some(" "));
}

/// Other notations of a whole number are refused, because their meaning would be a guess.
#[test]
fn whole_numbers_are_written_plainly() {
    for (kind, field) in
        [(Kind::Patient, "careq_id"), (Kind::Appointment, "doctor_careq_id"), (Kind::Service, "duration")]
    {
        for number in ["1.0", "1e3", "1E0", "10e-1", "-0", "-1", "0.0", "9223372036854775808", "1e400"] {
            let mut body = smallest(kind);
            body.insert(field.to_owned(), json!("the number"));
            let text = Value::Object(body).to_string().replace("\"the number\"", number);
            let errors = read_text(kind, &text).unwrap_err();
            assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{number}");
        }
        for number in ["+1", "01", "00", ".5", "1.", "0x1", "1_000", "NaN", "Infinity", "1 000"] {
            assert!(Document::parse(format!("{{\"careq_id\":{number}}}").as_bytes()).is_err(), "{number}");
        }
    }
    for number in ["-0", "-0.0", "1e3", "5E0", "0.00001", "1e400"] {
        let text = Value::Object(smallest(Kind::Service)).to_string();
        let text = text.replacen('{', &format!("{{\"price\":{number},"), 1);
        assert!(read_text(Kind::Service, &text).is_err(), "{number}");
    }
}

#[test]
fn a_version_is_at_most_a_day_ahead() {
    let limits = Limits { max_clock_skew: DAY, ..Limits::NONE };
    for (kind, field) in
        Kind::ALL.map(|kind| (kind, "updated_at")).into_iter().chain([(Kind::Cancel, "cancelled_at")])
    {
        let with = |version: &Value| {
            let mut body = smallest(kind);
            body.insert(field.to_owned(), version.clone());
            limited(kind, &body, limits)
        };
        let is_version = (kind == Kind::Cancel) == (field == "cancelled_at");
        let largest = accepted_at() + DAY;
        for version in [
            at(accepted_at()),
            at(largest),
            json!("0001-01-01T00:00:00Z"),
            json!("2025-12-11T15:30:00+05:30"),
        ] {
            assert!(with(&version).is_ok(), "{kind} {version}");
        }
        for version in [
            at(largest + TimeDelta::microseconds(1)),
            json!("9998-01-01T00:00:00Z"),
            json!("2025-12-11T10:00:01Z"),
        ] {
            let refused = with(&version);
            assert_eq!(refused.is_err(), is_version, "{kind} {field} {version}");
            if let Err(errors) = refused {
                assert!(
                    errors[field][0].ends_with("must not be more than 86400 seconds in the future"),
                    "{errors:?}"
                );
            }
        }
    }
}

/// The creation of a record and the time of a visit are not versions.
#[test]
fn other_instants_may_be_ahead() {
    let limits = Limits { max_clock_skew: DAY, ..Limits::NONE };
    let mut body = smallest(Kind::Appointment);
    for field in ["created_at", "book_datetime", "start_datetime"] {
        body.insert(field.to_owned(), json!("2099-01-01T10:00:00Z"));
    }
    body.insert("end_datetime".to_owned(), json!("2099-01-01T10:30:00Z"));
    assert!(limited(Kind::Appointment, &body, limits).is_ok());
}

#[test]
fn long_texts_have_a_limit_in_bytes() {
    const FIELDS: [(Kind, &[&str]); 6] = [
        (
            Kind::Patient,
            &[
                "notes",
                "custom_field_1",
                "custom_field_2",
                "custom_field_3",
                "custom_field_4",
                "custom_field_5",
            ],
        ),
        (Kind::Doctor, &["notes"]),
        (Kind::Service, &["description"]),
        (Kind::Appointment, &["notes", "prescription"]),
        (Kind::Status, &["notes"]),
        (Kind::Cancel, &["cancellation_reason", "cancelled_by"]),
    ];
    let limits = Limits { max_long_text_bytes: 3_000, ..Limits::NONE };
    for (kind, field) in FIELDS.iter().flat_map(|(kind, fields)| fields.iter().map(|field| (*kind, *field))) {
        let with = |value: Value| {
            let mut body = smallest(kind);
            body.insert(field.to_owned(), value);
            limited(kind, &body, limits)
        };
        assert!(with(json!("अ".repeat(1_000))).is_ok(), "{kind} {field}");
        let errors = with(json!(format!("{}a", "अ".repeat(1_000)))).unwrap_err();
        assert!(errors[field][0].ends_with("must be at most 3000 bytes in UTF-8"), "{errors:?}");
    }
    // JSON counts as the text that is stored.
    let prescription = |items: usize| {
        let mut body = smallest(Kind::Appointment);
        body.insert("prescription".to_owned(), json!(vec![1; items]));
        limited(Kind::Appointment, &body, limits)
    };
    assert!(prescription(1_499).is_ok() && prescription(1_500).is_err());
}
