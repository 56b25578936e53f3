//! Everything that a batch touches: read and locked at the beginning of its transaction, changed in memory, written once at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use careq_shared::clock;
use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use careq_shared::event::Event;
use careq_shared::records::{Record, RecordKind};
use careq_shared::seal::Seal;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend};

use super::duplicate_check::LedgerCheck;
use super::event_rows::{self, EventKey, EventRows};
use super::replayed;
use super::unpark_triggers::UnparkTriggers;
use crate::context::{Context, Settings};
use crate::db::bounds::{Budget, InBytes};
use crate::db::lookup::{RecordKeys, Scoped, keys_of_kind};
use crate::db::record_table::RecordTable;
use crate::db::references::{self, References};
use crate::dead_letters::row::{DeadLetter, LetterUpdates};
use crate::fault::Fault;
use crate::item::{Item, Treatment};

/// A row in memory and its relation to the database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot<M> {
    pub(crate) row: M,
    pub(crate) state: State,
}

/// Relation of a row in memory to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// As in the database, and locked.
    Unchanged,
    /// Changed, and locked.
    Changed,
    /// Not in the database.
    New,
    /// To be deleted.
    Deleted,
}

impl<M> Slot<M> {
    pub(crate) fn new(row: M) -> Self {
        Self { row, state: State::New }
    }

    /// Notes that the row was changed.
    pub(crate) fn touch(&mut self) {
        if self.state == State::Unchanged {
            self.state = State::Changed;
        }
    }
}

pub(crate) type Rows<K, M> = BTreeMap<Scoped<K>, Slot<M>>;

/// The rows that a transaction has loaded, with their changes.
#[derive(Debug)]
pub(crate) struct WorkingSet {
    pub(crate) backend: DbBackend,
    pub(crate) now: DateTime<Utc>,
    pub(crate) settings: Arc<Settings>,
    /// Events whose parent timeout ended by this time may become dead letters; `None`: no event may.
    pub(crate) parent_deadline: Option<DateTime<Utc>>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) ledger: Rows<String, event::Model>,
    pub(crate) patients: Rows<i64, patient::Model>,
    pub(crate) doctors: Rows<i64, doctor::Model>,
    pub(crate) services: Rows<i64, service::Model>,
    pub(crate) appointments: Rows<i64, appointment::Model>,
    /// Existing parents whose rows are not loaded into this set.
    pub(crate) parents: RecordKeys,
    /// `careq_id` of the appointment that has the hash.
    pub(crate) hashes: BTreeMap<Scoped<String>, i64>,
    /// By event id.
    pub(crate) parked: BTreeMap<String, Slot<parked_event::Model>>,
    /// Ids of replayed events whose dead letters are still part of the job that published them.
    pub(crate) replaying: BTreeSet<String>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) letter_updates: LetterUpdates,
    pub(crate) unpark_triggers: UnparkTriggers,
}

impl WorkingSet {
    /// Reads and locks the rows that the items touch. Tables are locked in the order of the statements below, rows in the order of
    /// their keys. Reordering the statements can cause deadlocks.
    pub(crate) async fn load(
        transaction: &DatabaseTransaction,
        items: &[Item],
        check: LedgerCheck,
        context: &Context,
    ) -> Result<Self, Fault> {
        let (now, parent_deadline) = (clock::now(), *context.parent_deadline.borrow());
        let wanted = Wanted::from_items(items, check);
        let mut budget = Budget::for_events(items.len());
        let EventRows { ledger, parked } = event_rows::lock(transaction, &wanted.events, &mut budget).await?;
        let patients = load_rows::<patient::Entity>(transaction, &wanted, &mut budget).await?;
        let doctors = load_rows::<doctor::Entity>(transaction, &wanted, &mut budget).await?;
        let services = load_rows::<service::Entity>(transaction, &wanted, &mut budget).await?;
        let appointments = load_rows::<appointment::Entity>(transaction, &wanted, &mut budget).await?;
        let References { parents, hashes } =
            references::read(transaction, &wanted.parents, &wanted.hashes).await?;
        Ok(Self {
            backend: transaction.get_database_backend(),
            now,
            settings: Arc::clone(&context.settings),
            parent_deadline,
            seal: Arc::clone(&context.seal),
            ledger: by_key(ledger, |row| (row.clinic_id.clone(), row.idempotency_key.clone())),
            patients,
            doctors,
            services,
            appointments,
            parents,
            hashes,
            parked: by_key(parked, |row| row.event_id.clone()),
            replaying: replayed::still_part_of_job(transaction, items).await?,
            dead_letters: Vec::new(),
            letter_updates: LetterUpdates::default(),
            unpark_triggers: UnparkTriggers::default(),
        })
    }
}

/// Keys of the rows that a set of items needs.
#[derive(Debug, Default)]
struct Wanted {
    /// Events to be looked up in the ledger.
    events: BTreeSet<EventKey>,
    records: RecordKeys,
    parents: RecordKeys,
    hashes: BTreeSet<Scoped<String>>,
}

impl Wanted {
    fn from_items(items: &[Item], check: LedgerCheck) -> Self {
        let mut wanted = Self::default();
        for item in items {
            if check.looks_up(item) {
                wanted.add_event(&item.event);
            }
            // A failure is recorded without locking the event's record: a lock on that record may have caused the failure.
            if matches!(item.treatment, Treatment::Ordinary | Treatment::OnceMore) {
                wanted.add_record(&item.event);
            }
        }
        // Records of this batch are read and locked anyway.
        wanted.parents.retain(|parent| !wanted.records.contains(parent));
        wanted
    }

    fn add_event(&mut self, event: &Event) {
        let key = event.idempotency_key.as_str().to_owned();
        self.events.insert((event.clinic_id.clone(), key, event.event_id.as_str().to_owned()));
    }

    fn add_record(&mut self, event: &Event) {
        let clinic = || event.clinic_id.clone();
        self.records.insert((event.kind().record(), (clinic(), event.careq_id)));
        if let Record::Appointment(appointment) = &event.record {
            self.parents.insert((RecordKind::Patient, (clinic(), appointment.patient_careq_id)));
            self.parents.insert((RecordKind::Doctor, (clinic(), appointment.doctor_careq_id)));
            self.parents.insert((RecordKind::Service, (clinic(), appointment.service_careq_id)));
            self.hashes.extend(appointment.hash.clone().map(|hash| (clinic(), hash)));
        }
    }
}

async fn load_rows<E: RecordTable>(
    transaction: &DatabaseTransaction,
    wanted: &Wanted,
    budget: &mut Budget,
) -> Result<Rows<i64, E::Model>, Fault>
where
    E::Model: InBytes,
{
    let rows = E::by_careq_id(&keys_of_kind(&wanted.records, E::KIND)).lock(transaction, budget).await?;
    Ok(by_key(rows, E::key))
}

/// Rows as they are stored, by their keys.
fn by_key<K: Ord, M>(rows: Vec<M>, key: impl Fn(&M) -> K) -> BTreeMap<K, Slot<M>> {
    rows.into_iter().map(|row| (key(&row), Slot { row, state: State::Unchanged })).collect()
}
