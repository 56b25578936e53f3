//! An index for what every process measures every few seconds. Rows with payloads must never be read only to be counted.

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
