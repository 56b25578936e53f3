//! Generated requests of two clinics, in the order of their acceptance. There are few records, so that requests
//! often affect the same one.

use careq_shared::records::Kind;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::harness::{CLINIC, OTHER_CLINIC};

/// A first name that a constraint of the database refuses.
pub(super) const POISON: &str = "poison";

/// A request's content for one record.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) kind: Kind,
    careq_id: i64,
    parent: i64,
    word: &'static str,
    status: &'static str,
    stamp: Option<i64>,
    hash: Option<&'static str>,
    /// Optional fields whose bit is set are left out.
    gaps: u32,
}

/// A request as CareQ makes it.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Webhook {
        clinic: &'static str,
        change: Change,
        key: Option<&'static str>,
    },
    Batch {
        clinic: &'static str,
        id: &'static str,
        records: Vec<Record>,
    },
    /// An earlier request, repeated.
    Again(Index),
}

/// A record of a batch.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Change(Change),
    /// The content of an earlier webhook.
    SentBefore(Index),
    /// Refused by the ingress.
    Invalid,
}

pub(super) fn requests() -> impl Strategy<Value = Vec<Request>> {
    let clinic = || prop::sample::select(vec![CLINIC, CLINIC, CLINIC, OTHER_CLINIC]);
    let key = prop_oneof![6 => Just(None), 1 => select(vec![Some("k1"), Some("k2")])];
    let webhook =
        (clinic(), change(), key).prop_map(|(clinic, change, key)| Request::Webhook { clinic, change, key });
    let record = prop_oneof![
        8 => change().prop_map(Record::Change),
        8 => any::<Index>().prop_map(Record::SentBefore),
        1 => Just(Record::Invalid),
    ];
    let records = prop::collection::vec(record, 1..4);
    let batch = (clinic(), select(vec!["b1", "b2"]), records)
        .prop_map(|(clinic, id, records)| Request::Batch { clinic, id, records });
    let request = prop_oneof![12 => webhook, 4 => batch, 3 => any::<Index>().prop_map(Request::Again)];
    prop::collection::vec(request, 1..40)
}

fn change() -> impl Strategy<Value = Change> {
    let kinds = [&Kind::ALL[..], &[Kind::Appointment, Kind::Appointment, Kind::Cancel]].concat();
    let words = prop_oneof![12 => select(vec!["one", "two"]), 1 => Just(POISON)];
    let statuses = select(vec!["booked", "confirmed", "cancelled", "cancelled"]);
    let hash = prop::option::weighted(0.3, select(vec!["h1", "h2"]));
    let gaps = select(vec![0, 0, u32::MAX, 0x5555_5555]);
    (select(kinds), 1..4_i64, 1..4_i64, words, statuses, prop::option::of(0..5_i64), hash, gaps).prop_map(
        |(kind, careq_id, parent, word, status, stamp, hash, gaps)| {
            let careq_id = match kind {
                // The third parent never arrives.
                Kind::Patient | Kind::Doctor => careq_id.min(2),
                Kind::Service => 1,
                Kind::Appointment | Kind::Status | Kind::Cancel => careq_id,
            };
            Change { kind, careq_id, parent, word, status, stamp, hash, gaps }
        },
    )
}

/// A time; the first request is accepted at hour 2.
pub(super) fn hour(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap() + TimeDelta::hours(hour)
}

impl Change {
    /// The body as CareQ sends it.
    pub(super) fn body(&self, clinic: &str) -> Value {
        let Self { careq_id, parent, word, status, .. } = self;
        let mut body = match self.kind {
            Kind::Patient => json!({ "first_name": word, "last_name": "x", "phone_number": "9000000001" }),
            Kind::Doctor => json!({ "first_name": word, "last_name": "x" }),
            Kind::Service => json!({ "name": word, "duration": 5 }),
            Kind::Appointment => json!({
                "patient_careq_id": parent, "doctor_careq_id": parent.min(&2), "service_careq_id": 1,
                "book_datetime": "2025-12-10T10:00:00Z", "start_datetime": "2025-12-15T14:00:00Z",
                "end_datetime": "2025-12-15T14:30:00Z", "status": status,
            }),
            Kind::Status => json!({ "status": status }),
            Kind::Cancel => json!({}),
        };
        body["careq_id"] = json!(careq_id);
        body["clinic_id"] = json!(clinic);
        for (name, place) in optional(self.kind).iter().zip(0..) {
            if self.gaps >> place & 1 == 0 {
                body[name] = self.value(name);
            }
        }
        // A record without a time stamp may be sent again and be refused after it was applied; the hash's owner is
        // then not modelled.
        if let (Kind::Appointment, Some(_), Some(hash)) = (self.kind, self.stamp, self.hash) {
            body["hash"] = json!(hash);
        }
        if let Some(stamp) = self.stamp {
            body[if self.kind == Kind::Cancel { "cancelled_at" } else { "updated_at" }] = json!(hour(stamp));
        }
        body
    }

    fn value(&self, name: &str) -> Value {
        match name {
            "email" => json!("a@example.com"),
            "date_of_birth" => json!("1990-05-15"),
            "gender" => json!("other"),
            "zip_code" => json!("400001"),
            "language" => json!("en-US"),
            "color" => json!("#3498db"),
            "currency" => json!("INR"),
            "is_private" => json!(self.word == "one"),
            "created_at" => json!("2025-12-10T15:30:00+05:30"),
            "prescription" => json!({ "dose": self.word }),
            "aadhar_number" => json!("1234-5678-9012"),
            "price" if self.word == "one" => serde_json::from_str("500.10").unwrap(),
            "price" => serde_json::from_str("500.1").unwrap(),
            other => json!(format!("{other} {}", self.word)),
        }
    }
}

/// The optional fields of the specification's tables, except for those that `Change` has.
fn optional(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Patient => &[
            "email",
            "date_of_birth",
            "gender",
            "address",
            "city",
            "state",
            "zip_code",
            "aadhar_number",
            "spouse_name",
            "father_name",
            "custom_field_1",
            "custom_field_2",
            "custom_field_3",
            "custom_field_4",
            "custom_field_5",
            "notes",
            "timezone",
            "language",
            "created_at",
        ],
        Kind::Doctor => &[
            "email",
            "phone_number",
            "mobile_number",
            "address",
            "city",
            "state",
            "zip_code",
            "specialization",
            "notes",
            "is_private",
            "timezone",
            "language",
            "created_at",
        ],
        Kind::Service => {
            &["price", "currency", "description", "location", "color", "category", "is_private", "created_at"]
        }
        Kind::Appointment => &[
            "location",
            "notes",
            "prescription",
            "referred_by",
            "referred_by_address",
            "color",
            "created_at",
        ],
        Kind::Status => &["notes"],
        Kind::Cancel => &["cancellation_reason", "cancelled_by"],
    }
}
