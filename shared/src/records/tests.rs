//! Tests of the specification's field tables, and of the limits that an installation sets.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Field, FieldErrors, Identified, Kind, Limits, Record, rules};
use crate::json::Document;

const DAY: TimeDelta = TimeDelta::days(1);

fn accepted_at() -> DateTime<Utc> {
    // 2025-12-10T10:00:00Z
    DateTime::from_timestamp(1_765_360_800, 0).unwrap()
}

fn limited(kind: Kind, body: &Map<String, Value>, limits: Limits) -> Result<Identified, FieldErrors> {
    let document = Document::parse(Value::Object(body.clone()).to_string().as_bytes()).unwrap();
    super::read(kind, &document.object(), limits, accepted_at())
}

fn at(instant: DateTime<Utc>) -> Value {
    json!(instant.to_rfc3339())
}

fn read(kind: Kind, body: &Map<String, Value>) -> Result<Identified, FieldErrors> {
    read_text(kind, &serde_json::to_string(body).unwrap())
}

fn read_text(kind: Kind, body: &str) -> Result<Identified, FieldErrors> {
    let document = Document::parse(body.as_bytes()).unwrap();
    super::read(kind, &document.object(), Limits::NONE, accepted_at())
}

fn required_fields_only(kind: Kind) -> Map<String, Value> {
    let mut body = match kind {
        Kind::Patient => json!({ "first_name": "A", "last_name": "B", "phone_number": "9000000001" }),
        Kind::Doctor => json!({ "first_name": "A", "last_name": "B" }),
        Kind::Service => json!({ "name": "A", "duration": 0 }),
        Kind::Appointment => json!({
            "patient_careq_id": 1, "doctor_careq_id": 2, "service_careq_id": 3, "status": "booked",
            "book_datetime": "2025-12-10T10:00:00Z", "start_datetime": "2025-12-15T14:00:00Z",
            "end_datetime": "2025-12-15T14:30:00Z",
        }),
        Kind::Status => json!({ "status": "in_progress" }),
        Kind::Cancel => json!({}),
    };
    body["careq_id"] = json!(i64::MAX);
    body["clinic_id"] = json!("c");
    body.as_object().unwrap().clone()
}

#[test]
fn exactly_the_required_fields_are_required() {
    for kind in Kind::ALL {
        let smallest = required_fields_only(kind);
        read(kind, &smallest).unwrap();
        for field in smallest.keys() {
            for nothing in [None, Some(Value::Null), Some(json!(""))] {
                let mut body = smallest.clone();
                body.remove(field);
                body.extend(nothing.map(|nothing| (field.clone(), nothing)));
                let errors = read(kind, &body).unwrap_err();
                assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{kind}");
                assert!(errors[field][0].ends_with("is required"), "{kind} {errors:?}");
            }
        }
    }
}

#[test]
fn lengths_are_counted_in_characters() {
    for (kind, most, fields) in [
        (Kind::Patient, 100, "clinic_id"),
        (Kind::Patient, 256, "first_name last_name address city state spouse_name father_name timezone"),
        (Kind::Patient, 10, "zip_code language"),
        (Kind::Patient, 20, "aadhar_number"),
        (Kind::Doctor, 128, "phone_number mobile_number"),
        (Kind::Doctor, 256, "specialization"),
        (Kind::Doctor, 10, "zip_code"),
        (Kind::Service, 256, "name location category"),
        (Kind::Service, 10, "currency"),
        (Kind::Appointment, 256, "location referred_by"),
        (Kind::Appointment, 512, "referred_by_address hash"),
    ] {
        for field in fields.split(' ') {
            let with = |characters: usize| {
                let mut body = required_fields_only(kind);
                body.insert(field.to_owned(), json!("अ".repeat(characters)));
                read(kind, &body)
            };
            assert!(with(most).is_ok(), "{kind} {field}");
            let errors = with(most + 1).unwrap_err();
            assert!(errors[field][0].contains(&format!("at most {most} characters")), "{kind} {errors:?}");
        }
    }
}

/// Kind, field, and lists of valid and of invalid values in JSON.
const FORMATS: [(Kind, &str, &str, &str); 12] = [
    (Kind::Patient, "careq_id", "[1]", r#"[0, -1, "1", 1.5, true]"#),
    (
        Kind::Patient,
        "phone_number",
        r#"["0123456789"]"#,
        r#"["123456789", "१२३४५६७८९०", "+919876543", "987654321\n", " 98765432 ", 9876543210]"#,
    ),
    (
        Kind::Patient,
        "email",
        r#"["a.b+c@example.co.in"]"#,
        r#"["a", "a@", "@b", "A <a@example.com>", " ", " a@example.com", "a@example.com\n",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com"]"#,
    ),
    (
        Kind::Patient,
        "date_of_birth",
        r#"["1990-05-15", "2024-02-29"]"#,
        r#"["1990-5-15", "2023-02-29", "15-05-1990", "-0001-01-01", "+12345-01-01", "1990-05-15T00:00:00Z"]"#,
    ),
    (Kind::Patient, "gender", r#"["male", "female", "other"]"#, r#"["Male", " ", "male "]"#),
    (
        Kind::Patient,
        "updated_at",
        r#"["2025-12-10T10:00:00Z", "2025-12-10T10:00:00.123456+05:30", "2025-12-10T10:00:00+0530", "2025-12-10T10:00Z"]"#,
        r#"["2025-12-10T10:00:00", "2025-12-10", 1733824800, "2025-13-10T10:00:00Z"]"#,
    ),
    (Kind::Service, "duration", "[0, 45]", r#"[-1, "30", 30.5, 3000000000]"#),
    (
        Kind::Service,
        "color",
        r##"["#3498db", "#ABCDEF"]"##,
        r##"["3498db", "#34g", "#3498d", "#3498d\n", "#３498db"]"##,
    ),
    (Kind::Service, "is_private", "[true]", r#"["true", 1]"#),
    (Kind::Service, "price", "[500]", r#"["500", -1, true]"#),
    (Kind::Appointment, "prescription", r#"["twice a day", { "dose": 2 }, [1]]"#, "[5]"),
    (Kind::Status, "status", r#"["no-show", "rescheduled"]"#, r#"["No-Show", "no-show\n"]"#),
];

#[test]
fn formats_are_checked() {
    let values = |list: &str| serde_json::from_str::<Vec<Value>>(list).unwrap();
    for (kind, field, good, bad) in FORMATS {
        let with = |value: &Value| {
            let mut body = required_fields_only(kind);
            body.insert(field.to_owned(), value.clone());
            read(kind, &body)
        };
        for value in values(good) {
            assert!(with(&value).is_ok(), "{kind} {field} {value}: {:?}", with(&value));
        }
        for value in values(bad) {
            assert!(with(&value).unwrap_err().contains_key(field), "{kind} {field} {value}");
        }
    }
}

#[test]
fn instants_are_read_as_utc_and_json_as_text() {
    let mut body = required_fields_only(Kind::Appointment);
    body.insert("start_datetime".to_owned(), json!("2025-12-15T19:30:00+05:30"));
    body.insert("prescription".to_owned(), json!({ "b": 1, "a": [] }));
    let Record::Appointment(appointment) = read(Kind::Appointment, &body).unwrap().record else { panic!() };
    assert_eq!(appointment.start_datetime.to_rfc3339(), "2025-12-15T14:00:00+00:00");
    assert_eq!(appointment.prescription.as_deref(), Some(r#"{"a":[],"b":1}"#));
}

/// Half of a surrogate pair is an error of its own field only. A name that `serde_json` reserves is an ordinary name: its value is an
/// object, which is refused where another type is required.
#[test]
fn half_pairs_are_refused_by_their_field_and_reserved_names_are_ordinary() {
    let patient = |fields: &str| {
        let text = format!(
            r#"{{"careq_id": 1, "clinic_id": "c", "first_name": "A", "last_name": "B", "phone_number": "9000000001", {fields}}}"#
        );
        read_text(Kind::Patient, &text).map(drop).map_err(|errors| errors.into_keys().collect::<Vec<_>>())
    };
    for (fields, refused) in [
        (r#""careq_id": {"$serde_json::private::Number": "77"}"#, "careq_id"),
        (r#""careq_id": {"\u0024serde_json::private::RawValue": "77"}"#, "careq_id"),
        (r#""notes": {"$serde_json::private::RawValue": "\"77\""}"#, "notes"),
        (r#""notes": "\ud83d""#, "notes"),
        (r#""first_name": "A\ude00""#, "first_name"),
        (r#""other": [{"a": "\ud83d"}]"#, "(other fields)"),
        (r#""\ud83d": 1"#, "(other fields)"),
    ] {
        assert_eq!(patient(fields), Err(vec![refused.to_owned()]), "{fields}");
    }
    assert_eq!(patient(r#""notes": "\ud83d\ude00", "$serde_json::private::Number": "5""#), Ok(()));
    let mut body = required_fields_only(Kind::Appointment);
    body.insert("prescription".to_owned(), json!("HERE"));
    let text = serde_json::to_string(&body)
        .unwrap()
        .replace("\"HERE\"", r#"{"$serde_json::private::RawValue": "\ud83d"}"#);
    assert_eq!(
        read_text(Kind::Appointment, &text).unwrap_err()["prescription"],
        ["Prescription must be valid Unicode text"]
    );
    let Record::Appointment(appointment) =
        read_text(Kind::Appointment, &text.replace("\\ud83d", "[")).unwrap().record
    else {
        panic!()
    };
    assert_eq!(appointment.prescription.as_deref(), Some(r#"{"$serde_json::private::RawValue":"["}"#));
}

/// Stored as text, two empty hashes of a clinic would collide in the unique index.
#[test]
fn an_empty_optional_text_is_absent() {
    for kind in Kind::ALL {
        let without = read(kind, &required_fields_only(kind)).unwrap();
        for Field { name, .. } in rules(kind).into_iter().filter(|field| !field.is_required) {
            let mut body = required_fields_only(kind);
            body.insert(name.to_owned(), json!(""));
            assert_eq!(read(kind, &body).as_ref(), Ok(&without), "{kind} {name}");
        }
    }
}

#[test]
fn a_blank_optional_text_is_kept() {
    let mut body = required_fields_only(Kind::Patient);
    body.insert("notes".to_owned(), json!(" "));
    let Record::Patient(patient) = read(Kind::Patient, &body).unwrap().record else { panic!() };
    assert_eq!(patient.notes.as_deref(), Some(" "));
}

/// Other notations (an exponent, -0) are refused: their meaning would be a guess.
#[test]
fn numbers_are_in_range_and_written_plainly() {
    for (kind, field) in
        [(Kind::Patient, "careq_id"), (Kind::Appointment, "doctor_careq_id"), (Kind::Service, "duration")]
    {
        for number in ["1.0", "1e3", "1E0", "10e-1", "-0", "-1", "0.0", "9223372036854775808", "1e400"] {
            let mut body = required_fields_only(kind);
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
        let text = Value::Object(required_fields_only(Kind::Service)).to_string();
        let text = text.replacen('{', &format!("{{\"price\":{number},"), 1);
        assert!(read_text(Kind::Service, &text).is_err(), "{number}");
    }
}

#[test]
fn a_timestamp_is_at_most_the_clock_skew_ahead() {
    let limits = Limits { max_clock_skew: DAY, ..Limits::NONE };
    for (kind, field) in
        Kind::ALL.map(|kind| (kind, "updated_at")).into_iter().chain([(Kind::Cancel, "cancelled_at")])
    {
        let with = |version: &Value| {
            let mut body = required_fields_only(kind);
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
    let mut body = required_fields_only(Kind::Appointment);
    for field in ["created_at", "book_datetime", "start_datetime"] {
        body.insert(field.to_owned(), json!("2099-01-01T10:00:00Z"));
    }
    body.insert("end_datetime".to_owned(), json!("2099-01-01T10:30:00Z"));
    assert!(limited(Kind::Appointment, &body, limits).is_ok());
}

#[test]
fn long_texts_have_a_limit_in_bytes() {
    const FIELDS: [(Kind, &str); 6] = [
        (Kind::Patient, "notes custom_field_1 custom_field_2 custom_field_3 custom_field_4 custom_field_5"),
        (Kind::Doctor, "notes"),
        (Kind::Service, "description"),
        (Kind::Appointment, "notes prescription"),
        (Kind::Status, "notes"),
        (Kind::Cancel, "cancellation_reason cancelled_by"),
    ];
    let limits = Limits { max_long_text_bytes: 3_000, ..Limits::NONE };
    for (kind, field) in
        FIELDS.iter().flat_map(|(kind, fields)| fields.split(' ').map(|field| (*kind, field)))
    {
        let with = |value: Value| {
            let mut body = required_fields_only(kind);
            body.insert(field.to_owned(), value);
            limited(kind, &body, limits)
        };
        assert!(with(json!("अ".repeat(1_000))).is_ok(), "{kind} {field}");
        let errors = with(json!(format!("{}a", "अ".repeat(1_000)))).unwrap_err();
        assert!(errors[field][0].ends_with("must be at most 3000 bytes in UTF-8"), "{errors:?}");
    }
    // JSON counts as the text that is stored.
    let prescription = |items: usize| {
        let mut body = required_fields_only(Kind::Appointment);
        body.insert("prescription".to_owned(), json!(vec![1; items]));
        limited(Kind::Appointment, &body, limits)
    };
    assert!(prescription(1_499).is_ok() && prescription(1_500).is_err());
}

proptest! {
    /// Any value is read or refused, and a record survives its encoding for the broker.
    #[test]
    fn any_json_is_read_or_refused(kind in prop::sample::select(Kind::ALL.to_vec()), changes in changes()) {
        let mut body = required_fields_only(kind);
        body.extend(changes);
        if let Ok(identified) = read(kind, &body) {
            let encoded = serde_json::to_vec(&identified.record).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Record>(&encoded).unwrap(), identified.record);
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<(String, Value)>> {
    let field = prop::sample::select(vec![
        "careq_id",
        "first_name",
        "email",
        "date_of_birth",
        "price",
        "duration",
        "updated_at",
        "prescription",
        "notes",
        "start_datetime",
        "status",
        "color",
        "hash",
        "cancelled_at",
    ]);
    let value = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
            .prop_map(Value::from),
        prop::collection::vec(any::<i64>(), 0..3).prop_map(Value::from),
    ];
    prop::collection::vec((field.prop_map(str::to_owned), value), 0..4)
}
