//! Bodies of the six kinds of event, with the fields that CareQ sets. Time stamps have the offset of India, so that the check
//! finds code that ignores offsets.

use careq_shared::records::Kind;
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::{Number, Value, json};

use super::context::ScenarioContext;
use super::names::{self, one};
use super::scenario::{Event, ExpectedOutcome};

/// India Standard Time.
const INDIA: FixedOffset = FixedOffset::east_opt(5 * 3_600 + 1_800).expect("a valid offset");

/// Record numbers to which an appointment refers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parents {
    pub(super) patient: i64,
    pub(super) doctor: i64,
    pub(super) service: i64,
}

/// An event that is applied. Its body has the common fields and the given ones, which are an object.
pub(super) fn event(
    context: &ScenarioContext<'_>,
    kind: Kind,
    careq_id: i64,
    stamp: Option<DateTime<Utc>>,
    fields: Value,
) -> Event {
    let mut body = fields;
    body["careq_id"] = json!(careq_id);
    body["clinic_id"] = json!(context.clinic_id);
    if let Some(stamp) = stamp {
        let stamped =
            if kind == Kind::Cancel { &["cancelled_at"][..] } else { &["created_at", "updated_at"] };
        for field in stamped {
            body[*field] = json!(india_time(stamp));
        }
    }
    Event { kind, careq_id, stamp, body, expected: ExpectedOutcome::Applied }
}

pub(super) fn patient(rng: &mut ChaCha8Rng) -> Value {
    let person = names::person(rng);
    let (city, state, zip_code) = person.city;
    let optional = rng.random_bool(0.5);
    json!({
        "first_name": person.first_name, "last_name": person.last_name, "phone_number": person.phone_number,
        "email": person.email, "city": city, "state": state, "zip_code": zip_code,
        "date_of_birth": format!("{}-{:02}-15", rng.random_range(1940..2020), rng.random_range(1..=12)),
        "gender": one(rng, &["male", "female", "other"]),
        "address": format!("{} Station Road", rng.random_range(1..400)),
        "aadhar_number": optional.then(|| names::aadhar_number(rng)),
        "custom_field_1": optional.then_some("Blood Group: O+"),
        "notes": optional.then_some("prefers mornings — सुबह"),
        "timezone": "Asia/Kolkata", "language": "en-IN",
    })
}

pub(super) fn doctor(rng: &mut ChaCha8Rng) -> Value {
    let person = names::person(rng);
    json!({
        "first_name": format!("Dr. {}", person.first_name), "last_name": person.last_name, "email": person.email,
        "mobile_number": format!("+91 {}", person.phone_number), "city": person.city.0, "is_private": rng.random_bool(0.3),
        "specialization": one(rng, &["Cardiology", "Dermatology", "Paediatrics", "Orthopaedics"]),
    })
}

#[expect(clippy::expect_used, reason = "digits with a decimal point are a JSON number")]
pub(super) fn service(rng: &mut ChaCha8Rng) -> Value {
    // Parsed from text, so that the digits are kept: a float would lose trailing zeros.
    let price = format!("{}.{:02}", rng.random_range(100..5_000), rng.random_range(0..100));
    json!({
        "name": one(rng, &["General Consultation", "Follow-up", "ECG", "Vaccination"]),
        "duration": one(rng, &[10, 15, 20, 30, 45]), "currency": "INR", "color": "#3498db",
        "price": price.parse::<Number>().expect("the price is a number"), "category": "Consultation",
    })
}

/// An appointment booked at `booked_at`; its slot is some days later.
pub(super) fn appointment(booked_at: DateTime<Utc>, parents: Parents, rng: &mut ChaCha8Rng) -> Value {
    let start =
        booked_at + TimeDelta::days(rng.random_range(1..14)) + TimeDelta::minutes(rng.random_range(0..480));
    json!({
        "patient_careq_id": parents.patient, "doctor_careq_id": parents.doctor, "service_careq_id": parents.service,
        "book_datetime": india_time(booked_at), "start_datetime": india_time(start),
        "end_datetime": india_time(start + TimeDelta::minutes(30)), "status": "booked",
        "location": format!("Room {}", rng.random_range(1..9)),
        "prescription": rng.random_bool(0.3).then(|| json!({ "items": [{ "name": "ORS", "days": 3 }] })),
        "notes": rng.random_bool(0.4).then_some("first visit"),
    })
}

pub(super) fn status(status: &str) -> Value {
    json!({ "status": status, "notes": format!("now {status}") })
}

pub(super) fn cancellation(rng: &mut ChaCha8Rng) -> Value {
    json!({
        "cancellation_reason": one(rng, &["Patient unavailable", "Doctor on leave", "Feeling better"]),
        "cancelled_by": one(rng, &["patient", "clinic"]),
    })
}

/// RFC 3339 with the offset of India.
pub(crate) fn india_time(time: DateTime<Utc>) -> String {
    time.with_timezone(&INDIA).to_rfc3339()
}
