//! Events and working sets of unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use careq_shared::clock;
use careq_shared::config;
use careq_shared::entities::parked_event;
use careq_shared::event::{Event, IdempotencyKey};
use careq_shared::ids::EventId;
use careq_shared::json::Document;
use careq_shared::records::{self, Kind, Limits, Record};
use careq_shared::seal::{self, Seal};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbBackend;
use serde_json::{Value, json};

use super::unpark_triggers::UnparkTriggers;
use super::working_set::{Slot, State, WorkingSet};
use crate::context::Settings;
use crate::dead_letters::row::LetterUpdates;
use crate::item::{self, Item, Position, Treatment};

pub(crate) const CLINIC: &str = "clinic_a";

/// A second of a day in 2026.
pub(crate) fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::seconds(second)
}

/// An event accepted at that second, without a stamp.
pub(crate) fn accepted(kind: Kind, careq_id: i64, at: i64, body: &Value) -> Event {
    let mut body = body.clone();
    body["careq_id"] = careq_id.into();
    body["clinic_id"] = CLINIC.into();
    let document = Document::parse(body.to_string().as_bytes()).unwrap();
    let identified = records::read(kind, &document.object(), Limits::NONE, second(at)).unwrap();
    let name = format!("{}-{careq_id}-{at}", kind.as_str());
    Event {
        event_id: name.parse::<EventId>().unwrap(),
        clinic_id: CLINIC.to_owned(),
        careq_id,
        idempotency_key: IdempotencyKey::Derived(body.to_string()),
        content_digest: body.to_string(),
        accepted_at: second(at),
        record: identified.record,
    }
}

pub(crate) fn patient(careq_id: i64, at: i64) -> Event {
    let body = json!({ "first_name": "A", "last_name": "B", "phone_number": "9876543210" });
    accepted(Kind::Patient, careq_id, at, &body)
}

/// An appointment whose three parents have its own number.
pub(crate) fn appointment(careq_id: i64, at: i64) -> Event {
    let body = json!({
        "patient_careq_id": careq_id, "doctor_careq_id": careq_id, "service_careq_id": careq_id,
        "book_datetime": "2025-12-10T10:00:00Z", "start_datetime": "2025-12-15T14:00:00Z",
        "end_datetime": "2025-12-15T14:30:00Z", "status": "booked",
    });
    accepted(Kind::Appointment, careq_id, at, &body)
}

pub(crate) fn with_hash(mut event: Event, hash: &str) -> Event {
    if let Record::Appointment(appointment) = &mut event.record {
        appointment.hash = Some(hash.to_owned());
    }
    event
}

pub(crate) fn cancellation(careq_id: i64, at: i64) -> Event {
    accepted(Kind::Cancel, careq_id, at, &json!({}))
}

/// A first delivery.
pub(crate) fn delivered(event: &Event) -> Item {
    Item {
        event: Arc::new(event.clone()),
        bytes: 1,
        treatment: Treatment::Ordinary,
        position: Some(Position { request: 0, event: 0 }),
        replay: None,
        is_redelivered: false,
    }
}

pub(crate) fn empty_set() -> WorkingSet {
    let config = config::load(None, []).unwrap();
    let settings = Settings { parent_timeout: Duration::from_mins(15), ..Settings::from(&config) };
    WorkingSet {
        backend: DbBackend::Sqlite,
        now: clock::whole_microseconds(clock::now()),
        settings: Arc::new(settings),
        parent_deadline: None,
        seal: Arc::new(key()),
        ledger: BTreeMap::new(),
        patients: BTreeMap::new(),
        doctors: BTreeMap::new(),
        services: BTreeMap::new(),
        appointments: BTreeMap::new(),
        parents: BTreeSet::new(),
        hashes: BTreeMap::new(),
        parked: BTreeMap::new(),
        replaying: BTreeSet::new(),
        dead_letters: Vec::new(),
        letter_updates: LetterUpdates::default(),
        unpark_triggers: UnparkTriggers::default(),
    }
}

pub(crate) fn key() -> Seal {
    let keys = [("CAREQ_SEAL_KEYS", "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
    seal::open(&config::load(None, keys).unwrap()).unwrap()
}

/// Puts a stored row with so many attempts into the set.
pub(crate) fn stored_parked(set: &mut WorkingSet, event: &Event, attempts: i32) {
    let row = item::parked_row(&set.seal, event, set.now);
    let row = parked_event::Model { attempts, ..row };
    set.parked.insert(row.event_id.clone(), Slot { row, state: State::Unchanged });
}
