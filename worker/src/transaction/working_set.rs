//! Everything that a batch touches: read and locked at the beginning of its transaction, changed in memory, written once at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use careq_shared::clock;
use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use careq_shared::event::Event;
use careq_shared::records::{Record, RecordKind};
use careq_shared::seal::Seal;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::duplicate_check::LedgerCheck;
use super::replayed;
use super::unpark_triggers::UnparkTriggers;
use crate::context::{Context, Settings};
use crate::db::bounds::{Budget, InBytes};
use crate::db::lookup::{Lookup, RecordKeys, Scoped, one_of};
use crate::db::record_table::RecordTable;
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
    /// Reads and locks the rows that the items touch. Tables are locked in the order of the expressions below, rows in the order of
    /// their keys. Reordering the expressions can cause deadlocks.
    pub(crate) async fn load(
        transaction: &DatabaseTransaction,
        items: &[Item],
        check: LedgerCheck,
        context: &Context,
    ) -> Result<Self, Fault> {
        let (now, parent_deadline) = (clock::now(), *context.parent_deadline.borrow());
        let wanted = Wanted::from_items(items, check);
        let mut budget = Budget::for_events(items.len());
        let ledger = load_ledger(transaction, &wanted.ledger_keys, &mut budget).await?;
        Ok(Self {
            backend: transaction.get_database_backend(),
            now,
            settings: Arc::clone(&context.settings),
            parent_deadline,
            seal: Arc::clone(&context.seal),
            parked: load_parked(transaction, items, &ledger).await?,
            patients: load_rows::<patient::Entity>(transaction, &wanted, &mut budget).await?,
            doctors: load_rows::<doctor::Entity>(transaction, &wanted, &mut budget).await?,
            services: load_rows::<service::Entity>(transaction, &wanted, &mut budget).await?,
            appointments: load_rows::<appointment::Entity>(transaction, &wanted, &mut budget).await?,
            parents: load_parents(transaction, &wanted.parents).await?,
            hashes: load_hashes(transaction, &wanted.hashes).await?,
            ledger,
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
    ledger_keys: BTreeSet<Scoped<String>>,
    records: RecordKeys,
    parents: RecordKeys,
    hashes: BTreeSet<Scoped<String>>,
}

impl Wanted {
    fn from_items(items: &[Item], check: LedgerCheck) -> Self {
        let mut wanted = Self::default();
        for item in items {
            if check.looks_up(item) {
                wanted.add_ledger(&item.event);
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

    fn add_ledger(&mut self, event: &Event) {
        self.ledger_keys.insert((event.clinic_id.clone(), event.idempotency_key.as_str().to_owned()));
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

fn keys_of_kind(keys: &RecordKeys, kind: RecordKind) -> BTreeSet<Scoped<i64>> {
    keys.iter().filter(|(this, _)| *this == kind).map(|(_, key)| key.clone()).collect()
}

async fn load_ledger(
    transaction: &DatabaseTransaction,
    keys: &BTreeSet<Scoped<String>>,
    budget: &mut Budget,
) -> Result<Rows<String, event::Model>, Fault> {
    use event::Column::{ClinicId, IdempotencyKey};
    let lookup = Lookup::<event::Entity, _> { clinic: ClinicId, key: IdempotencyKey, keys };
    let rows = lookup.lock(transaction, budget).await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.clinic_id.clone(), row.idempotency_key.clone()), unchanged(row)))
        .collect())
}

async fn load_parked(
    transaction: &DatabaseTransaction,
    items: &[Item],
    ledger: &Rows<String, event::Model>,
) -> Result<BTreeMap<String, Slot<parked_event::Model>>, DbErr> {
    // Only an event of the ledger, or one that comes from `parked_events`, can have a row.
    let parked_ids =
        items.iter().filter(|item| item.position.is_none()).map(|item| item.event.event_id.to_string());
    let ids: BTreeSet<_> = ledger.values().map(|slot| slot.row.event_id.clone()).chain(parked_ids).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let backend = transaction.get_database_backend();
    let parked = one_of(backend, parked_event::Column::EventId, ids.into_iter().collect());
    // Without the lock, this transaction could delete a row into which another session has just put a later delivery.
    let rows = parked_event::Entity::find()
        .filter(parked)
        .order_by_asc(parked_event::Column::EventId)
        .lock(LockType::Update)
        .all(transaction)
        .await?;
    Ok(rows.into_iter().map(|row| (row.event_id.clone(), unchanged(row))).collect())
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
    Ok(rows.into_iter().map(|row| (E::key(&row), unchanged(row))).collect())
}

async fn load_parents(transaction: &DatabaseTransaction, wanted: &RecordKeys) -> Result<RecordKeys, DbErr> {
    let mut found = existing::<patient::Entity>(transaction, wanted).await?;
    found.extend(existing::<doctor::Entity>(transaction, wanted).await?);
    found.extend(existing::<service::Entity>(transaction, wanted).await?);
    Ok(found)
}

async fn existing<E: RecordTable>(
    transaction: &DatabaseTransaction,
    wanted: &RecordKeys,
) -> Result<RecordKeys, DbErr> {
    let keys = keys_of_kind(wanted, E::KIND);
    let found = E::by_careq_id(&keys).read(transaction, &[E::CLINIC_ID, E::CAREQ_ID]).await?;
    Ok(found.into_iter().map(|key| (E::KIND, key)).collect())
}

async fn load_hashes(
    transaction: &DatabaseTransaction,
    hashes: &BTreeSet<Scoped<String>>,
) -> Result<BTreeMap<Scoped<String>, i64>, DbErr> {
    use appointment::Column::{CareqId, ClinicId, Hash};
    let lookup = Lookup::<appointment::Entity, _> { clinic: ClinicId, key: Hash, keys: hashes };
    let owners: Vec<(String, String, i64)> = lookup.read(transaction, &[ClinicId, Hash, CareqId]).await?;
    Ok(owners.into_iter().map(|(clinic_id, hash, careq_id)| ((clinic_id, hash), careq_id)).collect())
}

fn unchanged<M>(row: M) -> Slot<M> {
    Slot { row, state: State::Unchanged }
}
