//! Guarantee 2: the same set of events gives the same tables, in any order, with any copies, split into any batches over
//! several workers; and they are the tables of a plain fold that is written down here.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{appointment, dead_letter, doctor, event, parked_event, patient, service};
use careq_shared::event::{Event, Version};
use careq_shared::records::{Kind, Record};
use careq_worker::Waking;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt, SeedableRng as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _};
use serde_json::{Value, json};

use crate::harness::{Backend, FreshDatabase, WorkerLane, accept, deliver};

const LANES: usize = 3;

#[test]
fn on_sqlite() {
    any_history_gives_the_tables_of_the_fold(Backend::Sqlite, 40);
}

#[test]
fn on_postgresql() {
    any_history_gives_the_tables_of_the_fold(Backend::Postgres, 40);
}

fn any_history_gives_the_tables_of_the_fold(backend: Backend, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (database, lanes) = runtime.block_on(async {
        let database = FreshDatabase::new(backend).await;
        let mut lanes = Vec::new();
        for batch in [256, 3, 1] {
            lanes.push(WorkerLane::new(&database, batch).await);
        }
        (database, lanes)
    });
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let history = (prop::collection::vec(change(), 1..40), any::<u64>());
    TestRunner::new(config)
        .run(&history, |(changes, seed)| {
            let events = events(&changes);
            let (expected, either) = Tables::folded(&events);
            let actual = runtime.block_on(async {
                empty(&database.connection).await;
                play(&lanes, &events, seed).await;
                Tables::stored(&database.connection).await
            });
            prop_assert_eq!(&actual.parked, &actual.waiting, "the ledger and the parking place agree");
            prop_assert_eq!(actual.without(&either), expected.without(&either));
            Ok(())
        })
        .unwrap();
}

/// A change of a small world, so that changes often meet: what it says, and CareQ's stamp, if it has one.
fn change() -> impl Strategy<Value = (Kind, Value)> {
    let stamp = prop::option::of((0..4_i64).prop_map(|hour| stamp(hour).to_rfc3339()));
    let words = prop::sample::select(vec!["one", "two", "three"]);
    let status = prop::sample::select(vec!["booked", "confirmed", "completed", "no-show"]);
    (prop::sample::select(Kind::ALL.to_vec()), 1..4_i64, 1..4_i64, words, status, stamp).prop_map(
        |(kind, careq_id, parent, word, status, stamp)| {
            let mut body = match kind {
                // The third parent never comes.
                Kind::Patient => json!({ "first_name": word, "last_name": "x", "phone_number": "9000000001",
                                         "careq_id": careq_id.min(2) }),
                Kind::Doctor => json!({ "first_name": word, "last_name": "x", "careq_id": careq_id.min(2) }),
                Kind::Service => json!({ "name": word, "duration": 5, "careq_id": 1 }),
                Kind::Appointment => json!({
                    "careq_id": careq_id, "patient_careq_id": parent, "doctor_careq_id": parent.min(2),
                    "service_careq_id": 1, "book_datetime": "2025-12-10T10:00:00Z", "notes": word, "status": status,
                    "start_datetime": "2025-12-15T14:00:00Z", "end_datetime": "2025-12-15T14:30:00Z",
                }),
                Kind::Status => json!({ "careq_id": careq_id, "status": status, "notes": word }),
                Kind::Cancel => json!({ "careq_id": careq_id, "cancellation_reason": word }),
            };
            body["clinic_id"] = json!("clinic_abc");
            body[if kind == Kind::Cancel { "cancelled_at" } else { "updated_at" }] = json!(stamp);
            (kind, body)
        },
    )
}

fn stamp(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap() + TimeDelta::hours(hour)
}

/// Accepted one after the other. The same content with a stamp is the same event, whose acceptance is its first one;
/// without a stamp it is said anew.
fn events(changes: &[(Kind, Value)]) -> Vec<Event> {
    let mut said = BTreeSet::new();
    let mut events = Vec::new();
    for ((kind, body), second) in changes.iter().zip(0..) {
        let event = accept(*kind, body, stamp(2) + TimeDelta::seconds(second));
        if event.may_come_again() || said.insert(event.event_id.clone()) {
            events.push(event);
        }
    }
    events
}

/// Shuffles, copies, splits, and lets several lanes work at the same time.
async fn play(lanes: &[WorkerLane], events: &[Event], seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut deliveries: Vec<Delivery> = events.iter().map(deliver).collect();
    for _ in 0..chance.random_range(0..=deliveries.len()) {
        let copy = deliveries[chance.random_range(0..deliveries.len())].clone();
        deliveries.push(copy);
    }
    deliveries.shuffle(&mut chance);
    let mut work: Vec<Vec<Vec<Delivery>>> = vec![Vec::new(); LANES];
    while !deliveries.is_empty() {
        let size = chance.random_range(1..=deliveries.len().min(9));
        let rest = deliveries.split_off(size);
        work[chance.random_range(0..LANES)].push(std::mem::replace(&mut deliveries, rest));
    }
    let working = lanes.iter().cloned().zip(work).map(|(lane, batches)| {
        tokio::spawn(async move {
            let mut waking = Waking::default();
            for batch in batches {
                lane.batch(Queue::Live, batch, &mut waking).await.unwrap();
            }
            lane.wake(&mut waking).await.unwrap();
        })
    });
    for lane in working.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

async fn empty(database: &DatabaseConnection) {
    for table in
        ["appointments", "patients", "doctors", "services", "events", "parked_events", "dead_letters"]
    {
        database.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
    }
}

/// The tables, without what depends on the moment of writing.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    patients: BTreeMap<i64, (String, Version)>,
    doctors: BTreeMap<i64, (String, Version)>,
    services: BTreeMap<i64, (String, Version)>,
    appointments: BTreeMap<i64, AppointmentRow>,
    /// Ids of the events that are settled.
    settled: BTreeSet<String>,
    /// Ids of the events that wait, in the ledger and in the parking place alike.
    waiting: BTreeSet<String>,
    parked: BTreeSet<String>,
    dead: usize,
}

#[derive(Debug, PartialEq)]
struct AppointmentRow {
    patient: i64,
    notes: Option<String>,
    details: Version,
    status: String,
    status_notes: Option<String>,
    cancellation_reason: Option<String>,
    status_version: Version,
}

impl Tables {
    /// The plain fold: of every record the newest version; of an appointment the newest details whose parents exist, and
    /// the newest status of all that could be applied.
    ///
    /// Also the ids of events that may end either way: an appointment whose parent never comes waits if it comes before
    /// newer details, and is merely old if it comes after them. The records are the same.
    fn folded(events: &[Event]) -> (Self, BTreeSet<String>) {
        let mut tables = Self::default();
        for event in events {
            let keep = |rows: &mut BTreeMap<i64, (String, Version)>, name: &str| {
                let newer = rows.get(&event.careq_id).is_none_or(|(_, version)| *version < event.version());
                if newer {
                    rows.insert(event.careq_id, (name.to_owned(), event.version()));
                }
            };
            match &event.record {
                Record::Patient(patient) => keep(&mut tables.patients, &patient.first_name),
                Record::Doctor(doctor) => keep(&mut tables.doctors, &doctor.first_name),
                Record::Service(service) => keep(&mut tables.services, &service.name),
                _ => {}
            }
        }
        let numbers: BTreeSet<_> = events.iter().map(|event| event.careq_id).collect();
        tables.appointments = numbers
            .into_iter()
            .filter_map(|number| Some((number, tables.fold_appointment(events, number)?)))
            .collect();
        for event in events {
            let id = event.event_id.as_str().to_owned();
            if tables.must_wait(event) {
                tables.waiting.insert(id)
            } else {
                tables.settled.insert(id)
            };
        }
        tables.parked = tables.waiting.clone();
        let either = events
            .iter()
            .filter(|event| tables.may_be_old(event))
            .map(|event| event.event_id.to_string())
            .collect();
        (tables, either)
    }

    fn may_be_old(&self, event: &Event) -> bool {
        let stored = self.appointments.get(&event.careq_id);
        event.kind() == Kind::Appointment
            && !self.parents_exist(event)
            && stored.is_some_and(|row| row.details > event.version())
    }

    fn without(mut self, either: &BTreeSet<String>) -> Self {
        for ids in [&mut self.settled, &mut self.waiting, &mut self.parked] {
            ids.retain(|id| !either.contains(id));
        }
        self
    }

    fn parents_exist(&self, event: &Event) -> bool {
        matches!(&event.record, Record::Appointment(appointment)
            if self.patients.contains_key(&appointment.patient_careq_id)
                && self.doctors.contains_key(&appointment.doctor_careq_id)
                && self.services.contains_key(&appointment.service_careq_id))
    }

    fn fold_appointment(&self, events: &[Event], careq_id: i64) -> Option<AppointmentRow> {
        let of_this = |event: &&Event| event.kind() >= Kind::Appointment && event.careq_id == careq_id;
        let details = events
            .iter()
            .filter(of_this)
            .filter(|event| self.parents_exist(event))
            .max_by_key(|event| event.version())?;
        let status = events
            .iter()
            .filter(of_this)
            .filter(|event| event.kind() != Kind::Appointment || self.parents_exist(event))
            .max_by_key(|event| event.version())?;
        let Record::Appointment(appointment) = &details.record else { return None };
        let (word, status_notes, cancellation_reason) = match &status.record {
            Record::Appointment(appointment) => (appointment.status.clone(), None, None),
            Record::Status(change) => (change.status.clone(), change.notes.clone(), None),
            Record::Cancel(cancellation) => {
                ("cancelled".to_owned(), None, cancellation.cancellation_reason.clone())
            }
            _ => return None,
        };
        Some(AppointmentRow {
            patient: appointment.patient_careq_id,
            notes: appointment.notes.clone(),
            details: details.version(),
            status: word,
            status_notes,
            cancellation_reason,
            status_version: status.version(),
        })
    }

    fn must_wait(&self, event: &Event) -> bool {
        match event.kind() {
            Kind::Patient | Kind::Doctor | Kind::Service => false,
            Kind::Appointment => !self.parents_exist(event),
            Kind::Status | Kind::Cancel => !self.appointments.contains_key(&event.careq_id),
        }
    }

    async fn stored(database: &DatabaseConnection) -> Self {
        let mut tables = Self::default();
        let version = |stamp, accepted_at, event_id| Version { stamp, accepted_at, event_id };
        for row in patient::Entity::find().all(database).await.unwrap() {
            let version = version(row.updated_at, row.version_accepted_at, row.version_event_id);
            tables.patients.insert(row.careq_id, (row.first_name, version));
        }
        for row in doctor::Entity::find().all(database).await.unwrap() {
            let version = version(row.updated_at, row.version_accepted_at, row.version_event_id);
            tables.doctors.insert(row.careq_id, (row.first_name, version));
        }
        for row in service::Entity::find().all(database).await.unwrap() {
            let version = version(row.updated_at, row.version_accepted_at, row.version_event_id);
            tables.services.insert(row.careq_id, (row.name, version));
        }
        for row in appointment::Entity::find().all(database).await.unwrap() {
            let stored = AppointmentRow {
                patient: row.patient_careq_id,
                notes: row.notes,
                details: version(row.updated_at, row.version_accepted_at, row.version_event_id),
                status: row.status,
                status_notes: row.status_notes,
                cancellation_reason: row.cancellation_reason,
                status_version: version(row.status_updated_at, row.status_accepted_at, row.status_event_id),
            };
            tables.appointments.insert(row.careq_id, stored);
        }
        for row in event::Entity::find().all(database).await.unwrap() {
            if row.outcome == "waiting" {
                tables.waiting.insert(row.event_id)
            } else {
                tables.settled.insert(row.event_id)
            };
        }
        for row in parked_event::Entity::find().all(database).await.unwrap() {
            tables.parked.insert(row.event_id);
        }
        tables.dead = dead_letter::Entity::find().all(database).await.unwrap().len();
        tables
    }
}
