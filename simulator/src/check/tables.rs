//! Check of the tables: they have the expected rows with record numbers of this run, and no others. It only reads, page by page.

use std::collections::{BTreeMap, HashMap};

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{appointment, dead_letter, doctor, event, parked_event, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::batches;
use super::columns::Row;
use super::expected::{Expected, Key, Record};
use crate::findings::Findings;
use crate::send::Sent;
use crate::send::receipt::Receipt;
use crate::store::Store;
use crate::world::World;
use crate::world::scenario::ExpectedOutcome;

/// Rows that are read at a time.
const PAGE_SIZE: u64 = 2_000;

/// Compares every table.
pub(super) async fn check(
    world: &World,
    expected: &Expected,
    sent: &Sent,
    store: &Store,
) -> Result<TablesChecked, DbErr> {
    let by_id = sent.receipts.iter().map(|receipt| (receipt.event_id.as_ref(), receipt)).collect();
    let mut tables = Tables { world, expected, by_id, store, rows: 0, findings: Findings::default() };
    for clinic in 0..world.clinic_ids.len() {
        tables.records(clinic).await?;
        tables.ledger(clinic).await?;
        tables.batches(clinic, &sent.receipts).await?;
        tables.parked_events(clinic).await?;
        tables.dead_letters(clinic).await?;
    }
    Ok(TablesChecked { rows: tables.rows, findings: tables.findings })
}

/// Number of compared rows, and the findings.
#[derive(Debug)]
pub(super) struct TablesChecked {
    pub(super) rows: u64,
    pub(super) findings: Findings,
}

struct Tables<'run> {
    world: &'run World,
    expected: &'run Expected,
    /// Receipts by event id.
    by_id: HashMap<&'run str, &'run Receipt>,
    store: &'run Store,
    rows: u64,
    findings: Findings,
}

/// Runs a block for every row of a clinic with a record number of this run, in the order of a unique column.
macro_rules! pages {
    ($tables:ident, $clinic:expr, $table:ident, $by:ident, $row:ident => $each:block) => {{
        let numbers = $tables.world.record_numbers();
        let mut last = None;
        loop {
            let mut select = $table::Entity::find()
                .filter($table::Column::ClinicId.eq($tables.world.clinic_ids[$clinic].as_str()))
                .filter($table::Column::CareqId.gte(numbers.start))
                .filter($table::Column::CareqId.lt(numbers.end))
                .order_by_asc($table::Column::$by)
                .limit(PAGE_SIZE);
            if let Some(last) = last.take() {
                select = select.filter($table::Column::$by.gt(last));
            }
            let rows = select.all(&$tables.store.database).await?;
            for $row in &rows {
                $tables.rows += 1;
                $each
            }
            match rows.into_iter().next_back() {
                Some($row) => last = Some(unique!($row, $by)),
                None => break,
            }
        }
    }};
}

macro_rules! unique {
    ($row:ident, CareqId) => {
        $row.careq_id
    };
    ($row:ident, EventId) => {
        $row.event_id
    };
    ($row:ident, Id) => {
        $row.id
    };
}

impl Tables<'_> {
    async fn records(&mut self, clinic: usize) -> Result<(), DbErr> {
        let mut missing: BTreeMap<Key, Record> = self
            .expected
            .records
            .iter()
            .filter(|(key, _)| key.clinic == clinic)
            .map(|(key, record)| (*key, *record))
            .collect();
        let mut unexpected = Vec::new();
        macro_rules! compare {
            ($table:ident, $kind:ident) => {
                pages!(self, clinic, $table, CareqId, row => {
                    let key = Key { clinic, kind: RecordKind::$kind, careq_id: row.careq_id };
                    match missing.remove(&key) {
                        Some(record) => self.row(key, record, row),
                        None => unexpected.push(key),
                    }
                })
            };
        }
        compare!(patient, Patient);
        compare!(doctor, Doctor);
        compare!(service, Service);
        compare!(appointment, Appointment);
        for key in missing.keys() {
            self.findings.lost(&format!("{} {}: no row", key.kind, key.careq_id));
        }
        self.conflicting(clinic, unexpected);
        Ok(())
    }

    fn row(&mut self, key: Key, record: Record, row: &impl Row) {
        let (_, details) = record.details.event(self.world);
        let (kind, status) = record.status.event(self.world);
        for column in row
            .differences(&details, &self.store.seal)
            .into_iter()
            .chain(row.status_differences(kind, &status))
        {
            self.findings.wrong(&format!("{} {}: {column}", key.kind, key.careq_id));
        }
    }

    /// Exactly one record of each conflicting pair must exist, and no other unexpected one.
    fn conflicting(&mut self, clinic: usize, mut unexpected: Vec<Key>) {
        for pair in &self.expected.conflicting {
            let of_this_clinic = pair.iter().all(|(key, _)| key.clinic == clinic);
            let before = unexpected.len();
            unexpected.retain(|key| pair.iter().all(|(other, _)| other != key));
            if of_this_clinic && before - unexpected.len() != 1 {
                let (key, _) = pair[0];
                self.findings.wrong(&format!(
                    "{} {}: not exactly one of two conflicting records",
                    key.kind, key.careq_id
                ));
            }
        }
        for key in unexpected {
            self.findings.doubled(&format!("{} {}: a row that no event implies", key.kind, key.careq_id));
        }
    }

    /// The ledger has one row for each acknowledged event, and no others.
    async fn ledger(&mut self, clinic: usize) -> Result<(), DbErr> {
        let of_this_clinic = |receipt: &&Receipt| self.world.clinic_of(receipt.scenario) == clinic;
        let mut missing: HashMap<_, _> = self
            .by_id
            .iter()
            .filter(|(_, receipt)| of_this_clinic(receipt))
            .map(|(event_id, receipt)| (*event_id, *receipt))
            .collect();
        pages!(self, clinic, event, EventId, row => {
            if missing.remove(row.event_id.as_str()).is_none() {
                self.findings.doubled(&format!("the ledger has an event {} that was not acknowledged", row.event_id));
            }
            if row.outcome == "retrying" {
                self.findings.lost(&format!("event {} is still to be retried", row.event_id));
            }
        });
        for event_id in missing.into_keys() {
            // An idempotency key that was used twice has one row in the ledger, and a dead letter for the other event.
            if self.expected_outcome_of(event_id) != Some(ExpectedOutcome::Conflicting) {
                self.findings.lost(&format!("the ledger has no event {event_id}"));
            }
        }
        Ok(())
    }

    async fn batches(&mut self, clinic: usize, receipts: &[Receipt]) -> Result<(), DbErr> {
        let of_this_clinic = self.expected.batches.iter().filter(|batch| batch.clinic == clinic);
        let batches: Vec<_> = of_this_clinic.collect();
        self.rows += batches::check(self.world, &batches, receipts, self.store, &mut self.findings).await?;
        Ok(())
    }

    /// Only events whose parent never arrives may be parked.
    async fn parked_events(&mut self, clinic: usize) -> Result<(), DbErr> {
        pages!(self, clinic, parked_event, EventId, row => {
            if self.expected_outcome_of(&row.event_id) != Some(ExpectedOutcome::Orphaned) {
                self.findings.lost(&format!("event {} is still parked", row.event_id));
            }
        });
        Ok(())
    }

    /// Only events that must fail may have open dead letters.
    async fn dead_letters(&mut self, clinic: usize) -> Result<(), DbErr> {
        pages!(self, clinic, dead_letter, Id, row => {
            let expected_outcome = row.event_id.as_deref().and_then(|event_id| self.expected_outcome_of(event_id));
            let is_resolved = row.state == DeadLetterState::Resolved;
            if !is_resolved && !matches!(expected_outcome, Some(ExpectedOutcome::Orphaned | ExpectedOutcome::Conflicting)) {
                self.findings.wrong(&format!("dead letter {}: class {}, code {}", row.id, row.class, row.code));
            }
        });
        Ok(())
    }

    fn expected_outcome_of(&self, event_id: &str) -> Option<ExpectedOutcome> {
        let receipt = self.by_id.get(event_id)?;
        self.world.scenario(receipt.scenario).event(receipt.event).map(|event| event.expected)
    }
}
