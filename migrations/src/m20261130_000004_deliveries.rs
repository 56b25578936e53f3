//! Columns that distinguish the deliveries of an event, and the parent of a dead letter. Letters with a missing
//! parent are found by an index on the parent.

use sea_orm_migration::prelude::*;

use crate::columns::{optional_big_integer, optional_instant, optional_text};

/// SQLite uses a partial index only if the statement has the same condition.
const PARTIAL: [&str; 2] = [
    "CREATE INDEX dead_letters_by_parent ON dead_letters (clinic_id, waiting_kind, waiting_careq_id)
     WHERE waiting_kind IS NOT NULL",
    "CREATE INDEX dead_letters_waiting ON dead_letters (id) WHERE state = 'open' AND waiting_kind IS NOT NULL",
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("dead_letters", optional_instant("accepted_at")),
            ("dead_letters", optional_text("waiting_kind")),
            ("dead_letters", optional_big_integer("waiting_careq_id")),
            ("appointments", optional_text("status_versions")),
        ];
        // SQLite accepts one column per statement.
        for (table, mut column) in columns {
            let alter = Table::alter().table(Alias::new(table)).add_column(&mut column).to_owned();
            manager.alter_table(alter).await?;
        }
        for create in PARTIAL {
            manager.get_connection().execute_unprepared(create).await?;
        }
        Ok(())
    }
}
