//! `dead_letters`. The payload is not null: it is the only copy of an accepted event that failed.

use sea_orm_migration::prelude::*;

use crate::columns::{
    bytes, index, instant, integer, optional_big_integer, optional_text, table, text, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            uuid("id"),
            optional_text("event_id"),
            optional_text("clinic_id"),
            optional_text("kind"),
            optional_big_integer("careq_id"),
            text("class"),
            text("code"),
            text("message"),
            integer("attempts"),
            instant("first_seen_at"),
            instant("last_seen_at"),
            text("worker"),
            text("version"),
            bytes("payload"),
        ];
        manager.create_table(table("dead_letters", columns)).await?;
        manager.create_index(index("dead_letters", "dead_letters_by_event", &["event_id"])).await?;
        let record = ["clinic_id", "kind", "careq_id"];
        manager.create_index(index("dead_letters", "dead_letters_by_record", &record)).await
    }
}
