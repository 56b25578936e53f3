//! The bodies of the six kinds of event, as CareQ fills them. A time stamp is always written with India's offset, so that
//! whoever ignores offsets is found out.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};

use super::names::{self, one};
use super::story::Body;

/// India Standard Time.
const OFFSET_S: i32 = 5 * 3_600 + 1_800;

/// The records that an appointment refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parents {
    pub(super) patient: i64,
    pub(super) doctor: i64,
    pub(super) service: i64,
}

/// What every body begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'place> {
    pub(super) clinic_id: &'place str,
    pub(super) careq_id: i64,
    pub(super) stamp: Option<DateTime<Utc>>,
}

pub(super) fn patient(head: Head<'_>, chance: &mut ChaCha8Rng) -> Body {
    let person = names::person(chance);
    let (city, state, zip_code) = person.city;
    let optional = chance.random_bool(0.5);
    body(
        head,
        json!({
            "first_name": person.first_name, "last_name": person.last_name, "phone_number": person.phone_number,
            "email": person.email, "city": city, "state": state, "zip_code": zip_code,
            "date_of_birth": format!("{}-{:02}-15", chance.random_range(1940..2020), chance.random_range(1..=12)),
            "gender": one(chance, &["male", "female", "other"]),
            "address": format!("{} Station Road", chance.random_range(1..400)),
            "aadhar_number": optional.then(|| names::aadhar_number(chance)),
            "custom_field_1": optional.then_some("Blood Group: O+"),
            "notes": optional.then_some("prefers mornings — सुबह"),
            "timezone": "Asia/Kolkata", "language": "en-IN",
        }),
    )
}

pub(super) fn doctor(head: Head<'_>, chance: &mut ChaCha8Rng) -> Body {
    let person = names::person(chance);
    body(
        head,
        json!({
            "first_name": format!("Dr. {}", person.first_name), "last_name": person.last_name, "email": person.email,
            "mobile_number": format!("+91 {}", person.phone_number), "city": person.city.0, "is_private": chance.random_bool(0.3),
            "specialization": one(chance, &["Cardiology", "Dermatology", "Paediatrics", "Orthopaedics"]),
        }),
    )
}

pub(super) fn service(head: Head<'_>, chance: &mut ChaCha8Rng) -> Body {
    // Written with its digits, as text would be: a float would lose them.
    let price = format!("{}.{:02}", chance.random_range(100..5_000), chance.random_range(0..100));
    body(
        head,
        json!({
            "name": one(chance, &["General Consultation", "Follow-up", "ECG", "Vaccination"]),
            "duration": one(chance, &[10, 15, 20, 30, 45]), "currency": "INR", "color": "#3498db",
            "price": serde_json::from_str::<Value>(&price).unwrap_or_default(), "category": "Consultation",
        }),
    )
}

/// An appointment made `head.stamp`, or when `booked_at` says; its slot is some days later.
pub(super) fn appointment(
    head: Head<'_>,
    booked_at: DateTime<Utc>,
    parents: Parents,
    chance: &mut ChaCha8Rng,
) -> Body {
    let start = booked_at
        + TimeDelta::days(chance.random_range(1..14))
        + TimeDelta::minutes(chance.random_range(0..480));
    body(
        head,
        json!({
            "patient_careq_id": parents.patient, "doctor_careq_id": parents.doctor, "service_careq_id": parents.service,
            "book_datetime": written(booked_at), "start_datetime": written(start),
            "end_datetime": written(start + TimeDelta::minutes(30)), "status": "booked",
            "location": format!("Room {}", chance.random_range(1..9)),
            "prescription": chance.random_bool(0.3).then(|| json!({ "items": [{ "name": "ORS", "days": 3 }] })),
            "notes": chance.random_bool(0.4).then_some("first visit"),
        }),
    )
}

pub(super) fn status(head: Head<'_>, status: &str) -> Body {
    body(head, json!({ "status": status, "notes": format!("now {status}") }))
}

pub(super) fn cancellation(head: Head<'_>, chance: &mut ChaCha8Rng) -> Body {
    let mut body = body(
        Head { stamp: None, ..head },
        json!({
            "cancellation_reason": one(chance, &["Patient unavailable", "Doctor on leave", "Feeling better"]),
            "cancelled_by": one(chance, &["patient", "clinic"]),
        }),
    );
    if let Some(stamp) = head.stamp {
        body.insert("cancelled_at".to_owned(), json!(written(stamp)));
    }
    body
}

fn body(head: Head<'_>, fields: Value) -> Body {
    let mut body = Body::new();
    body.insert("careq_id".to_owned(), json!(head.careq_id));
    body.insert("clinic_id".to_owned(), json!(head.clinic_id));
    if let Value::Object(fields) = fields {
        body.extend(fields);
    }
    if let Some(stamp) = head.stamp {
        body.insert("created_at".to_owned(), json!(written(stamp)));
        body.insert("updated_at".to_owned(), json!(written(stamp)));
    }
    body
}

fn written(moment: DateTime<Utc>) -> String {
    let india = FixedOffset::east_opt(OFFSET_S);
    india.map_or_else(|| moment.to_rfc3339(), |india| moment.with_timezone(&india).to_rfc3339())
}
