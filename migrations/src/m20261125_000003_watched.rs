//! An index for the counts that every process measures at intervals. It keeps payloads out of the reads.

use sea_orm_migration::prelude::*;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let waiting = ["waiting_kind", "parked_at"];
        manager.create_index(index("parked_events", "parked_events_by_waiting", &waiting)).await
    }
}
