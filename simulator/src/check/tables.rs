//! The tables themselves: every row of this run's numbers, and nothing besides. It reads page by page, and must never write.

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
use crate::Store;
use crate::findings::Findings;
use crate::send::{Played, Receipt};
use crate::world::{Fate, World};

/// Rows that are read at a time.
const PAGE: u64 = 2_000;

/// Compares every table.
pub(super) async fn all(
    world: &World,
    expected: &Expected,
    played: &Played,
    store: &Store,
) -> Result<Seen, DbErr> {
    let by_id = played.receipts.iter().map(|receipt| (receipt.event_id.as_ref(), receipt)).collect();
    let mut tables = Tables { world, expected, by_id, store, rows: 0, findings: Findings::default() };
    for clinic in 0..world.clinic_ids.len() {
        tables.records(clinic).await?;
        tables.ledger(clinic).await?;
        tables.batches(clinic, &played.receipts).await?;
        tables.parked_events(clinic).await?;
        tables.dead_letters(clinic).await?;
    }
    Ok(Seen { rows: tables.rows, findings: tables.findings })
}

/// What the tables have shown.
#[derive(Debug)]
pub(super) struct Seen {
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

/// Every row of a clinic with one of this run's numbers, page by page in the order of a unique column.
macro_rules! pages {
    ($tables:ident, $clinic:expr, $table:ident, $by:ident, $row:ident => $each:block) => {{
        let numbers = $tables.world.numbers();
        let mut last = None;
        loop {
            let mut select = $table::Entity::find()
                .filter($table::Column::ClinicId.eq($tables.world.clinic_ids[$clinic].as_str()))
                .filter($table::Column::CareqId.gte(numbers.start))
                .filter($table::Column::CareqId.lt(numbers.end))
                .order_by_asc($table::Column::$by)
                .limit(PAGE);
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
        let mut twins = Vec::new();
        macro_rules! compare {
            ($table:ident, $kind:ident) => {
                pages!(self, clinic, $table, CareqId, row => {
                    let key = Key { clinic, kind: RecordKind::$kind, careq_id: row.careq_id };
                    match missing.remove(&key) {
                        Some(record) => self.row(key, record, row),
                        None => twins.push(key),
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
        self.twins(clinic, twins);
        Ok(())
    }

    fn row(&mut self, key: Key, record: Record, row: &impl Row) {
        let details = record.details.event(self.world);
        let status = record.status.event(self.world);
        let (Some((_, details)), Some((kind, status))) = (details, status) else { return };
        for column in row
            .differences(&details, &self.store.seal)
            .into_iter()
            .chain(row.status_differences(kind, &status))
        {
            self.findings.wrong(&format!("{} {}: {column}", key.kind, key.careq_id));
        }
    }

    /// Of each pair one must be there; nothing else may.
    fn twins(&mut self, clinic: usize, mut there: Vec<Key>) {
        for pair in &self.expected.twins {
            let of_this_clinic = pair.iter().all(|(key, _)| key.clinic == clinic);
            let before = there.len();
            there.retain(|key| pair.iter().all(|(twin, _)| twin != key));
            if of_this_clinic && before - there.len() != 1 {
                let (key, _) = pair[0];
                self.findings.wrong(&format!("{} {}: not exactly one of two", key.kind, key.careq_id));
            }
        }
        for key in there {
            self.findings.doubled(&format!("{} {}: a row that nothing implies", key.kind, key.careq_id));
        }
    }

    /// One row an event, and none but for acknowledged events.
    async fn ledger(&mut self, clinic: usize) -> Result<(), DbErr> {
        let of_this_clinic = |receipt: &&Receipt| self.world.clinic_of(receipt.story) == clinic;
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
                self.findings.lost(&format!("event {} is still to be tried again", row.event_id));
            }
        });
        for event_id in missing.into_keys() {
            // A key that is used twice has one row in the ledger, and a letter for the other event.
            if self.fate_of(event_id) != Some(Fate::Twin) {
                self.findings.lost(&format!("the ledger does not know event {event_id}"));
            }
        }
        Ok(())
    }

    async fn batches(&mut self, clinic: usize, receipts: &[Receipt]) -> Result<(), DbErr> {
        let of_this_clinic = self.expected.batches.iter().filter(|batch| batch.clinic == clinic);
        let batches: Vec<_> = of_this_clinic.collect();
        self.rows += batches::all(self.world, &batches, receipts, self.store, &mut self.findings).await?;
        Ok(())
    }

    /// Only what waits for a parent that never comes.
    async fn parked_events(&mut self, clinic: usize) -> Result<(), DbErr> {
        pages!(self, clinic, parked_event, EventId, row => {
            if self.fate_of(&row.event_id) != Some(Fate::Orphaned) {
                self.findings.lost(&format!("event {} is still parked", row.event_id));
            }
        });
        Ok(())
    }

    /// Only what has to fail.
    async fn dead_letters(&mut self, clinic: usize) -> Result<(), DbErr> {
        pages!(self, clinic, dead_letter, Id, row => {
            let fate = row.event_id.as_deref().and_then(|event_id| self.fate_of(event_id));
            // One that is resolved tells of a failure that is over.
            let is_over = row.state == DeadLetterState::Resolved;
            if !is_over && !matches!(fate, Some(Fate::Orphaned | Fate::Twin)) {
                self.findings.wrong(&format!("letter {}: class {}, code {}", row.id, row.class, row.code));
            }
        });
        Ok(())
    }

    fn fate_of(&self, event_id: &str) -> Option<Fate> {
        let receipt = self.by_id.get(event_id)?;
        self.world.story(receipt.story).event(receipt.event).map(|event| event.fate)
    }
}
