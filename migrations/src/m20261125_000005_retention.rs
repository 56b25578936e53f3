//! Retention: `leases`, the time of an event's last duplicate, and indexes by time; and partial indexes of waiting
//! rows. No index of the ledger covers a column that changes with the outcome: the update would touch every index.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::{index, instant, optional_instant, table, text};

/// Partial indexes. Only `events_by_acceptance` costs a live insert; it grows at its end. The former
/// `parked_events_by_due` is split in two, so that a due retry is found without reading a million events that wait
/// for a parent.
const PARTIAL: [&str; 6] = [
    // SQLite does not match a list of values with the list in a condition, but it infers NOT NULL from a comparison.
    "CREATE INDEX dead_letters_settled ON dead_letters (settled_at, id) WHERE settled_at IS NOT NULL",
    "CREATE INDEX dead_letters_to_follow ON dead_letters (id) WHERE state = 'open'",
    "CREATE INDEX dead_letters_by_original ON dead_letters (original_id) WHERE original_id IS NOT NULL",
    "CREATE INDEX replay_jobs_live ON replay_jobs (made_at) WHERE state IN ('running', 'paused')",
    "CREATE INDEX parked_events_to_retry ON parked_events (due_at) WHERE waiting_kind IS NULL",
    "CREATE INDEX parked_events_patience ON parked_events (due_at) WHERE waiting_kind IS NOT NULL",
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leases = [text("name"), text("worker"), instant("ends_at")];
        manager.create_table(table("leases", leases)).await?;

        let mut repeated_at = optional_instant("repeated_at");
        let alter = Table::alter().table(Alias::new("events")).add_column(&mut repeated_at).to_owned();
        manager.alter_table(alter).await?;
        manager.create_index(index("events", "events_by_acceptance", &["accepted_at"])).await?;
        manager.create_index(index("batches", "batches_by_acceptance", &["accepted_at"])).await?;

        let by_due = Index::drop().name("parked_events_by_due").table(Alias::new("parked_events")).to_owned();
        manager.drop_index(by_due).await?;
        for create in PARTIAL {
            manager.get_connection().execute_unprepared(create).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            // With the default, a fifth of a large ledger would be dead before a vacuum, and searches for the oldest
            // rows would read the dead ones.
            let vacuum = "ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02)";
            manager.get_connection().execute_unprepared(vacuum).await?;
        }
        Ok(())
    }
}
