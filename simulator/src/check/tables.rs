//! Check of the tables: they have the expected rows with record numbers of this run, and no others. It only reads, page by page.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{
    appointment, batch, dead_letter, doctor, event, parked_event, patient, service,
};
use careq_shared::records::{Kind, RecordKind};
use sea_orm::sea_query::{Alias, Expr};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, ModelTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use serde::Deserialize;

use super::columns::differing;
use super::expected::{Expected, Key, Record};
use crate::client::POLL_INTERVAL;
use crate::plan::Store;
use crate::report::Finding;
use crate::run::Run;
use crate::send::Receipt;
use crate::world::scenario::{Event, ExpectedOutcome};

/// Rows that are read at a time.
const PAGE_SIZE: u64 = 2_000;

/// Entry of a row of `batches` for one record.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Accepted { kind: Kind, careq_id: i64, event_id: Option<String> },
    Refused {},
}

struct Tables<'run> {
    run: &'run Run,
    expected: &'run Expected,
    /// Sorted.
    receipts: &'run [Receipt],
    /// Receipts by event id.
    by_id: HashMap<&'run str, &'run Receipt>,
    store: &'run Store,
    deadline: Instant,
}

/// Compares every table.
pub(super) async fn check(
    run: &Run,
    expected: &Expected,
    receipts: &[Receipt],
    store: &Store,
    deadline: Instant,
) -> Result<(), DbErr> {
    let by_id = receipts.iter().map(|receipt| (receipt.event_id.as_ref(), receipt)).collect();
    run.report().checked_rows = Some(0);
    let tables = Tables { run, expected, receipts, by_id, store, deadline };
    for clinic in 0..run.world.clinic_ids.len() {
        tables.records(clinic).await?;
        tables.ledger(clinic).await?;
        tables.parked_events(clinic).await?;
        tables.dead_letters(clinic).await?;
    }
    tables.batches().await
}

impl Tables<'_> {
    /// Passes on every row of a clinic with a record number of this run, in the order of a unique column.
    async fn rows<E: EntityTrait>(
        &self,
        clinic: usize,
        unique: E::Column,
        mut each: impl FnMut(E::Model),
    ) -> Result<(), DbErr> {
        let (clinic_id, numbers) = (&self.run.world.clinic_ids[clinic], self.run.world.record_numbers());
        let all = E::find()
            .filter(Expr::col(Alias::new("clinic_id")).eq(clinic_id.as_str()))
            .filter(Expr::col(Alias::new("careq_id")).between(numbers.start, numbers.end - 1))
            .order_by_asc(unique)
            .limit(PAGE_SIZE);
        let mut page = all.clone();
        loop {
            let rows = self.retry(async |database| page.clone().all(database).await).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            page = all.clone().filter(unique.gt(last.get(unique)));
            for row in rows {
                self.count_row();
                each(row);
            }
        }
    }

    /// Retries a query until the deadline: the load may have broken a connection.
    async fn retry<T>(
        &self,
        query: impl AsyncFn(&DatabaseConnection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        loop {
            match query(&self.store.database).await {
                Err(_) if Instant::now() < self.deadline => tokio::time::sleep(POLL_INTERVAL).await,
                result => return result,
            }
        }
    }

    fn count_row(&self) {
        *self.run.report().checked_rows.get_or_insert(0) += 1;
    }

    async fn records(&self, clinic: usize) -> Result<(), DbErr> {
        let of_this_clinic = self.expected.records.iter().filter(|(key, _)| key.clinic == clinic);
        let mut missing: BTreeMap<_, _> = of_this_clinic.map(|(key, record)| (*key, *record)).collect();
        let mut unexpected = Vec::new();
        macro_rules! compare {
            ($table:ident, $kind:ident) => {
                self.rows::<$table::Entity>(clinic, $table::Column::CareqId, |row| {
                    let key = Key { clinic, kind: RecordKind::$kind, careq_id: row.careq_id };
                    match missing.remove(&key) {
                        Some(record) => self.row(key, record, &row),
                        None => unexpected.push(key),
                    }
                })
                .await?;
            };
        }
        compare!(patient, Patient);
        compare!(doctor, Doctor);
        compare!(service, Service);
        compare!(appointment, Appointment);
        for key in missing.keys() {
            self.run.find(Finding::Lost, &format!("{key}: no row"));
        }
        self.conflicting(clinic, unexpected);
        Ok(())
    }

    fn row(&self, key: Key, record: Record, row: &impl ModelTrait) {
        let (_, details) = record.details.event(&self.run.world);
        let (kind, status) = record.status.event(&self.run.world);
        for column in differing(row, &details, (kind, &status), &self.store.seal) {
            self.run.find(Finding::Wrong, &format!("{key}: {column}"));
        }
    }

    /// Exactly one record of each conflicting pair must exist, and no other unexpected one.
    fn conflicting(&self, clinic: usize, mut unexpected: Vec<Key>) {
        for pair in self.expected.conflicting.iter().filter(|pair| pair[0].clinic == clinic) {
            let before = unexpected.len();
            unexpected.retain(|key| !pair.contains(key));
            if before - unexpected.len() != 1 {
                let sentence = format!("{}: not exactly one of two conflicting records", pair[0]);
                self.run.find(Finding::Wrong, &sentence);
            }
        }
        for key in unexpected {
            self.run.find(Finding::Doubled, &format!("{key}: a row that no event implies"));
        }
    }

    /// The ledger has one row for each acknowledged event, and no others.
    async fn ledger(&self, clinic: usize) -> Result<(), DbErr> {
        let mut missing = self.by_id.clone();
        missing.retain(|_, receipt| self.run.world.clinic_of(receipt.scenario) == clinic);
        let unique = event::Column::EventId;
        self.rows::<event::Entity>(clinic, unique, |event::Model { event_id, outcome, .. }| {
            if missing.remove(event_id.as_str()).is_none() {
                let sentence = format!("the ledger has an event {event_id} that was not acknowledged");
                self.run.find(Finding::Doubled, &sentence);
            }
            if outcome == "retrying" {
                self.run.find(Finding::Lost, &format!("event {event_id} is still to be retried"));
            }
        })
        .await?;
        for event_id in missing.into_keys() {
            // An idempotency key that was used twice has one row in the ledger, and a dead letter for the other event.
            if self.expected_outcome_of(event_id) != Some(ExpectedOutcome::Conflicting) {
                self.run.find(Finding::Lost, &format!("the ledger has no event {event_id}"));
            }
        }
        Ok(())
    }

    /// Only events whose parent never arrives may be parked.
    async fn parked_events(&self, clinic: usize) -> Result<(), DbErr> {
        let unique = parked_event::Column::EventId;
        self.rows::<parked_event::Entity>(clinic, unique, |parked_event::Model { event_id, .. }| {
            if self.expected_outcome_of(&event_id) != Some(ExpectedOutcome::Orphaned) {
                self.run.find(Finding::Lost, &format!("event {event_id} is still parked"));
            }
        })
        .await
    }

    /// Only events that must fail may have open dead letters.
    async fn dead_letters(&self, clinic: usize) -> Result<(), DbErr> {
        self.rows::<dead_letter::Entity>(clinic, dead_letter::Column::Id, |letter| {
            let event_id = letter.event_id.as_deref();
            let expected = event_id.and_then(|event_id| self.expected_outcome_of(event_id));
            let must_fail =
                matches!(expected, Some(ExpectedOutcome::Orphaned | ExpectedOutcome::Conflicting));
            if letter.state != DeadLetterState::Resolved && !must_fail {
                let dead_letter::Model { id, class, code, .. } = letter;
                self.run.find(Finding::Wrong, &format!("dead letter {id}: class {class}, code {code}"));
            }
        })
        .await
    }

    /// Each batch has its records in the order sent, with the acknowledged ids.
    async fn batches(&self) -> Result<(), DbErr> {
        let world = &self.run.world;
        for number in 0..world.scenarios() {
            let scenario = world.scenario(number);
            for (position, request) in scenario.requests.iter().enumerate() {
                let Some(batch_id) = &request.batch_id else { continue };
                let clinic_id = &world.clinic_ids[world.clinic_of(number)];
                let find = batch::Entity::find_by_id((clinic_id.clone(), batch_id.clone()));
                let row = self.retry(async |database| find.clone().one(database).await).await?;
                let Some(row) = row else {
                    self.run.find(Finding::Lost, &format!("batch {batch_id}: no row"));
                    continue;
                };
                self.count_row();
                let sent = (scenario.first_event_of(position)..).zip(&request.events);
                let sent = sent.map(|(event, Event { kind, careq_id, .. })| Entry::Accepted {
                    kind: *kind,
                    careq_id: *careq_id,
                    event_id: self.event_id_of(number, event),
                });
                let entries = serde_json::from_str::<Vec<Entry>>(&row.entries);
                if !entries.is_ok_and(|entries| entries.into_iter().eq(sent)) {
                    let sentence = format!("batch {batch_id}: its records differ from those sent");
                    self.run.find(Finding::Wrong, &sentence);
                }
            }
        }
        Ok(())
    }

    fn event_id_of(&self, scenario: u64, event: usize) -> Option<String> {
        let key = |receipt: &Receipt| (receipt.scenario, receipt.event);
        let found = self.receipts.binary_search_by_key(&(scenario, event), key);
        found.ok().map(|position| self.receipts[position].event_id.to_string())
    }

    fn expected_outcome_of(&self, event_id: &str) -> Option<ExpectedOutcome> {
        let receipt = self.by_id.get(event_id)?;
        self.run.world.scenario(receipt.scenario).event(receipt.event).map(|event| event.expected)
    }
}
