//! Tests of the specification's field tables.

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{FieldErrors, Identified, Kind, Limits, Record};
use crate::json::Document;

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub(super) fn read(kind: Kind, body: &Map<String, Value>) -> Result<Identified, FieldErrors> {
    read_text(kind, &serde_json::to_string(body).unwrap())
}

pub(super) fn read_text(kind: Kind, body: &str) -> Result<Identified, FieldErrors> {
    let document = Document::parse(body.as_bytes()).unwrap();
    super::read(kind, &document.object(), Limits::NONE, DateTime::UNIX_EPOCH)
}

pub(super) fn smallest(kind: Kind) -> Map<String, Value> {
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
    fields(&body)
}

#[test]
fn every_required_field_is_required_and_nothing_else() {
    for kind in Kind::ALL {
        let smallest = smallest(kind);
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
    let limits: [(Kind, &[(&str, usize)]); 4] = [
        (
            Kind::Patient,
            &[
                ("clinic_id", 100),
                ("first_name", 256),
                ("last_name", 256),
                ("address", 256),
                ("city", 256),
                ("state", 256),
                ("zip_code", 10),
                ("aadhar_number", 20),
                ("spouse_name", 256),
                ("father_name", 256),
                ("timezone", 256),
                ("language", 10),
            ],
        ),
        (
            Kind::Doctor,
            &[("phone_number", 128), ("mobile_number", 128), ("specialization", 256), ("zip_code", 10)],
        ),
        (Kind::Service, &[("name", 256), ("currency", 10), ("location", 256), ("category", 256)]),
        (
            Kind::Appointment,
            &[("location", 256), ("referred_by", 256), ("referred_by_address", 512), ("hash", 512)],
        ),
    ];
    for (kind, fields) in limits {
        for (field, most) in fields {
            let with = |characters: usize| {
                let mut body = smallest(kind);
                body.insert((*field).to_owned(), json!("अ".repeat(characters)));
                read(kind, &body)
            };
            assert!(with(*most).is_ok(), "{kind} {field}");
            let errors = with(most + 1).unwrap_err();
            assert!(errors[*field][0].contains(&format!("at most {most} characters")), "{kind} {errors:?}");
        }
    }
}

/// Kind, field, valid values, invalid values.
type Row = (Kind, &'static str, Vec<Value>, Vec<Value>);

#[test]
fn formats_are_checked() {
    for (kind, field, good, bad) in patient_formats().into_iter().chain(other_formats()) {
        let with = |value: &Value| {
            let mut body = smallest(kind);
            body.insert(field.to_owned(), value.clone());
            read(kind, &body)
        };
        for value in &good {
            assert!(with(value).is_ok(), "{kind} {field} {value}: {:?}", with(value));
        }
        for value in &bad {
            assert!(with(value).unwrap_err().contains_key(field), "{kind} {field} {value}");
        }
    }
}

fn patient_formats() -> Vec<Row> {
    vec![
        (
            Kind::Patient,
            "careq_id",
            vec![json!(1)],
            vec![json!(0), json!(-1), json!("1"), json!(1.5), json!(true)],
        ),
        (
            Kind::Patient,
            "phone_number",
            vec![json!("0123456789")],
            vec![
                json!("123456789"),
                json!("१२३४५६७८९०"),
                json!("+919876543"),
                json!("987654321\n"),
                json!(" 98765432 "),
                json!(9_876_543_210_u64),
            ],
        ),
        (
            Kind::Patient,
            "email",
            vec![json!("a.b+c@example.co.in")],
            vec![
                json!("a"),
                json!("a@"),
                json!("@b"),
                json!("A <a@example.com>"),
                json!(" "),
                json!(" a@example.com"),
                json!("a@example.com\n"),
                json!(format!("{}@example.com", "a".repeat(65))),
            ],
        ),
        (
            Kind::Patient,
            "date_of_birth",
            vec![json!("1990-05-15"), json!("2024-02-29")],
            vec![
                json!("1990-5-15"),
                json!("2023-02-29"),
                json!("15-05-1990"),
                json!("-0001-01-01"),
                json!("+12345-01-01"),
                json!("1990-05-15T00:00:00Z"),
            ],
        ),
        (
            Kind::Patient,
            "gender",
            vec![json!("male"), json!("female"), json!("other")],
            vec![json!("Male"), json!(" "), json!("male ")],
        ),
    ]
}

fn other_formats() -> Vec<Row> {
    vec![
        (
            Kind::Patient,
            "updated_at",
            vec![
                json!("2025-12-10T10:00:00Z"),
                json!("2025-12-10T10:00:00.123456+05:30"),
                json!("2025-12-10T10:00:00+0530"),
                json!("2025-12-10T10:00Z"),
            ],
            vec![
                json!("2025-12-10T10:00:00"),
                json!("2025-12-10"),
                json!(1_733_824_800),
                json!("2025-13-10T10:00:00Z"),
            ],
        ),
        (
            Kind::Service,
            "duration",
            vec![json!(0), json!(45)],
            vec![json!(-1), json!("30"), json!(30.5), json!(3_000_000_000_u64)],
        ),
        (
            Kind::Service,
            "color",
            vec![json!("#3498db"), json!("#ABCDEF")],
            vec![json!("3498db"), json!("#34g"), json!("#3498d"), json!("#3498d\n"), json!("#３498db")],
        ),
        (Kind::Service, "is_private", vec![json!(true)], vec![json!("true"), json!(1)]),
        (Kind::Service, "price", vec![json!(500)], vec![json!("500"), json!(-1), json!(true)]),
        (
            Kind::Appointment,
            "prescription",
            vec![json!("twice a day"), json!({ "dose": 2 }), json!([1])],
            vec![json!(5)],
        ),
        (
            Kind::Status,
            "status",
            vec![json!("no-show"), json!("rescheduled")],
            vec![json!("No-Show"), json!("no-show\n")],
        ),
    ]
}

#[test]
fn instants_are_stored_in_utc_and_json_as_text() {
    let mut body = smallest(Kind::Appointment);
    body.insert("start_datetime".to_owned(), json!("2025-12-15T19:30:00+05:30"));
    body.insert("prescription".to_owned(), json!({ "b": 1, "a": [] }));
    let Record::Appointment(appointment) = read(Kind::Appointment, &body).unwrap().record else { panic!() };
    assert_eq!(appointment.start_datetime.to_rfc3339(), "2025-12-15T14:00:00+00:00");
    assert_eq!(appointment.prescription.as_deref(), Some(r#"{"a":[],"b":1}"#));
}

/// Half of a surrogate pair, or a name that `serde_json` reserves, is an error of its own field only.
#[test]
fn reserved_names_and_half_pairs_are_refused_by_their_field() {
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
    let mut body = smallest(Kind::Appointment);
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

proptest! {
    /// Any value is read or refused, and a record survives its encoding for the broker.
    #[test]
    fn any_json_is_read_or_refused(kind in prop::sample::select(Kind::ALL.to_vec()), changes in changes()) {
        let mut body = smallest(kind);
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
