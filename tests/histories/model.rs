//! Model of a history: a sequential evaluation that shares no code with the product's. By contract, some results
//! depend on the order (docs/decisions/versions.md). For these the model reads the choice from the tables and
//! asserts that it was possible.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::entities::event;
use careq_shared::records::{Kind, RecordKind};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::history::{AcceptedBatch, AcceptedRecord, History};
use super::status;
use super::stored::{Key, NULL, Row, Tables, instant};
use super::world::POISON;

/// State of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Settled,
    Waiting,
    /// With this error code.
    Failed(&'static str),
}

/// An event of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Event<'history> {
    pub(super) accepted: &'history AcceptedRecord,
    /// The acceptance time that counts.
    pub(super) accepted_at: DateTime<Utc>,
    pub(super) state: State,
}

/// Time stamp, acceptance time, id.
pub(super) type Version = (DateTime<Utc>, DateTime<Utc>, String);

impl Event<'_> {
    pub(super) fn stamp(&self) -> Option<DateTime<Utc>> {
        let stamp =
            self.accepted.body.get("updated_at").or_else(|| self.accepted.body.get("cancelled_at"))?;
        Some(stamp.as_str().unwrap().parse().unwrap())
    }

    pub(super) fn version(&self) -> Version {
        (self.stamp().unwrap_or(self.accepted_at), self.accepted_at, self.accepted.id.clone())
    }

    fn is_poison(&self) -> bool {
        self.accepted.kind == Kind::Patient && self.accepted.body["first_name"] == POISON
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.accepted.body.get(field).and_then(Value::as_str)
    }

    pub(super) fn is_applied(&self) -> bool {
        self.state == State::Settled
    }
}

/// The expected state.
pub(super) struct Truth<'history> {
    pub(super) rows: BTreeMap<Key, Row>,
    pub(super) events: Vec<Event<'history>>,
    /// The latest refused delivery of each event in a batch whose id belongs to another batch.
    pub(super) refused: BTreeMap<&'history str, (&'history AcceptedRecord, DateTime<Utc>)>,
    /// Events whose key belongs to another event.
    pub(super) losers: BTreeMap<&'history str, &'history AcceptedRecord>,
}

impl<'history> Truth<'history> {
    pub(super) fn compute(history: &'history History, tables: &Tables) -> Self {
        let mut applied: Vec<(&AcceptedRecord, DateTime<Utc>)> =
            history.webhooks.iter().map(|accepted| (accepted, accepted.accepted_at)).collect();
        let mut refused: BTreeMap<&str, (&AcceptedRecord, DateTime<Utc>)> = BTreeMap::new();
        let groups: BTreeSet<_> = history.batches.iter().map(|batch| (&batch.clinic, &batch.id)).collect();
        assert_eq!(tables.batches.len(), groups.len(), "one row for each batch_id");
        for batch in &history.batches {
            match noted(history, batch, tables) {
                Some(noted_at) => {
                    applied.extend(records(batch).map(|(place, accepted)| (accepted, noted_at + place)));
                }
                None => {
                    for (place, accepted) in records(batch) {
                        let latest =
                            refused.entry(&accepted.id).or_insert((accepted, batch.accepted_at + place));
                        latest.1 = latest.1.max(batch.accepted_at + place);
                    }
                }
            }
        }
        let mut truth = Self { rows: BTreeMap::new(), events: Vec::new(), refused, losers: BTreeMap::new() };
        let mut accepted_records: BTreeMap<(String, String), Vec<_>> = BTreeMap::new();
        for (accepted, at) in applied {
            accepted_records
                .entry((accepted.clinic.clone(), accepted.key.clone()))
                .or_default()
                .push((accepted, at));
        }
        assert_eq!(
            tables.ledger.keys().collect::<Vec<_>>(),
            accepted_records.keys().collect::<Vec<_>>(),
            "one row for each key of the ledger"
        );
        for (key, accepted_records) in accepted_records {
            truth.choose(&accepted_records, &tables.ledger[&key]);
        }
        truth.judge_parents();
        truth.judge_appointments();
        truth.judge_statuses();
        truth
    }

    /// Of several contents with one key, the one stored first owns the key.
    fn choose(&mut self, accepted_records: &[(&'history AcceptedRecord, DateTime<Utc>)], row: &event::Model) {
        let stamps: Vec<_> =
            accepted_records.iter().filter(|(accepted, _)| accepted.id == row.event_id).collect();
        let (accepted, _) = stamps.first().expect("the ledger's event was accepted");
        let latest = stamps.iter().map(|(_, at)| *at).max().unwrap();
        if accepted.may_come_again {
            assert_eq!(row.accepted_at, latest, "duplicates count as the latest: {accepted:?}");
        }
        assert!(stamps.iter().any(|(_, at)| *at == row.accepted_at), "{row:?}");
        let state = match row.outcome.as_str() {
            "created" | "updated" | "unchanged" => State::Settled,
            "waiting" => State::Waiting,
            "failed" if row.error_code.as_deref() == Some("DUPLICATE_RECORD") => {
                State::Failed("DUPLICATE_RECORD")
            }
            "failed" => State::Failed("SERVER_ERROR"),
            other => panic!("{other}"),
        };
        self.events.push(Event { accepted, accepted_at: row.accepted_at, state });
        let losers = accepted_records.iter().filter(|(accepted, _)| accepted.id != row.event_id);
        self.losers.extend(losers.map(|(accepted, _)| (accepted.id.as_str(), *accepted)));
    }

    /// The events of each record, which all have one of these kinds.
    fn events_by_record(&self, kind: RecordKind) -> BTreeMap<(String, i64), Vec<Event<'history>>> {
        let mut records: BTreeMap<(String, i64), Vec<Event<'_>>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.accepted.kind.record() == kind) {
            records
                .entry((event.accepted.clinic.clone(), event.accepted.careq_id))
                .or_default()
                .push(event.clone());
        }
        records
    }

    fn judge_parents(&mut self) {
        for kind in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service] {
            for ((clinic, careq_id), events) in self.events_by_record(kind) {
                let newest =
                    events.iter().filter(|event| !event.is_poison()).max_by_key(|event| event.version());
                for event in &events {
                    let is_old = newest.is_some_and(|newest| newest.version() > event.version());
                    match &event.state {
                        State::Settled => assert!(!event.is_poison() || is_old, "stored poison: {event:?}"),
                        State::Failed("SERVER_ERROR") => assert!(event.is_poison(), "{event:?}"),
                        _ => panic!("{event:?}"),
                    }
                }
                if let Some(newest) = newest {
                    self.rows.insert((clinic, kind, careq_id), row(newest));
                }
            }
        }
    }

    fn parents_exist(&self, event: &Event<'_>) -> bool {
        let exists = |field: &str, kind| {
            let careq_id = event.accepted.body[field].as_i64().unwrap();
            self.rows.contains_key(&(event.accepted.clinic.clone(), kind, careq_id))
        };
        exists("patient_careq_id", RecordKind::Patient)
            && exists("doctor_careq_id", RecordKind::Doctor)
            && exists("service_careq_id", RecordKind::Service)
    }

    fn judge_appointments(&mut self) {
        for ((clinic, careq_id), events) in self.events_by_record(RecordKind::Appointment) {
            let bookings = || events.iter().filter(|event| event.accepted.kind == Kind::Appointment);
            let stored = bookings()
                .filter(|event| event.is_applied() && self.parents_exist(event))
                .max_by_key(|event| event.version());
            for event in bookings() {
                let is_old = stored.is_some_and(|stored| stored.version() > event.version());
                match (&event.state, self.parents_exist(event)) {
                    (State::Settled, true) | (State::Waiting, false) => {}
                    // Details older than those stored are not applied, so their parents may be missing.
                    (State::Settled, false) => assert!(is_old, "stored without its parents: {event:?}"),
                    (State::Failed("DUPLICATE_RECORD"), true) => {
                        assert!(
                            self.may_lack_its_hash(event),
                            "no other appointment has had its hash: {event:?}"
                        );
                    }
                    _ => panic!("{event:?}"),
                }
            }
            if let Some(stored) = stored {
                let applied: Vec<_> = events.iter().filter(|event| event.is_applied()).collect();
                let mut details = row(stored);
                details.insert("confirmation_number".to_owned(), format!("APPT-2025-{careq_id}"));
                details.extend(status::shown(&applied));
                self.rows.insert((clinic, RecordKind::Appointment, careq_id), details);
            }
        }
    }

    /// Of several appointments with one hash, the first one stored owns it.
    fn may_lack_its_hash(&self, event: &Event<'_>) -> bool {
        let hash = event.text("hash");
        let is_other = |other: &&Event<'_>| {
            other.accepted.kind == Kind::Appointment
                && other.accepted.clinic == event.accepted.clinic
                && other.accepted.careq_id != event.accepted.careq_id
        };
        hash.is_some()
            && self
                .events
                .iter()
                .filter(is_other)
                .any(|other| other.is_applied() && other.text("hash") == hash)
    }

    fn judge_statuses(&self) {
        for event in
            self.events.iter().filter(|event| matches!(event.accepted.kind, Kind::Status | Kind::Cancel))
        {
            let key = (event.accepted.clinic.clone(), RecordKind::Appointment, event.accepted.careq_id);
            let expected = if self.rows.contains_key(&key) { State::Settled } else { State::Waiting };
            assert_eq!(event.state, expected, "{event:?}");
        }
    }
}

/// The records of a batch, each accepted a microsecond after the previous one.
pub(super) fn records(batch: &AcceptedBatch) -> impl Iterator<Item = (TimeDelta, &AcceptedRecord)> {
    let places = (0..).map(TimeDelta::microseconds);
    places.zip(&batch.records).filter_map(|(place, record)| Some((place, record.as_ref()?)))
}

/// Acceptance time of the batch that owns this id, if it is this batch. Of several contents, the one recorded
/// first owns the id, with the time of the delivery that was processed first.
pub(super) fn noted(history: &History, batch: &AcceptedBatch, tables: &Tables) -> Option<DateTime<Utc>> {
    let row = &tables.batches[&(batch.clinic.clone(), batch.id.clone())];
    let matches_row = |one: &&AcceptedBatch| {
        (&one.clinic, &one.id, &one.content) == (&row.clinic_id, &row.batch_id, &row.content_digest)
    };
    let was_said = history.batches.iter().filter(matches_row).any(|one| one.accepted_at == row.accepted_at);
    assert!(was_said, "{row:?}");
    (row.content_digest == batch.content).then_some(row.accepted_at)
}

/// The columns of the newest version of a record.
fn row(newest: &Event<'_>) -> Row {
    let mut row = Row::new();
    for column in columns(newest.accepted.kind) {
        let value = newest.accepted.body.get(column).filter(|value| !value.is_null());
        let word = value.map_or_else(|| NULL.to_owned(), |value| word(column, value));
        row.insert(column.to_owned(), word);
    }
    let (stamp, accepted_at, event_id) = newest.version();
    row.insert("updated_at".to_owned(), instant(stamp));
    row.insert("version_accepted_at".to_owned(), instant(accepted_at));
    row.insert("version_event_id".to_owned(), event_id);
    row
}

fn word(column: &str, value: &Value) -> String {
    match value {
        Value::String(text) if INSTANTS.contains(&column) => {
            instant(DateTime::parse_from_rfc3339(text).unwrap().to_utc())
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

const INSTANTS: [&str; 4] = ["created_at", "book_datetime", "start_datetime", "end_datetime"];

/// The columns with CareQ's data, except for a record's time stamp and status.
fn columns(kind: Kind) -> impl Iterator<Item = &'static str> {
    let columns = match kind {
        Kind::Patient => {
            "first_name last_name email phone_number date_of_birth gender address city state zip_code \
             aadhar_number spouse_name father_name custom_field_1 custom_field_2 custom_field_3 \
             custom_field_4 custom_field_5 notes timezone language created_at"
        }
        Kind::Doctor => {
            "first_name last_name email phone_number mobile_number address city state zip_code \
             specialization notes is_private timezone language created_at"
        }
        Kind::Service => {
            "name duration price currency description location color category is_private created_at"
        }
        Kind::Appointment | Kind::Status | Kind::Cancel => {
            "patient_careq_id doctor_careq_id service_careq_id book_datetime start_datetime \
             end_datetime location notes prescription referred_by referred_by_address color hash \
             created_at"
        }
    };
    columns.split_whitespace()
}
