//! `events` (the ledger), `batches`, `parked_events`. A unique index allows one row for each idempotency key of a
//! clinic.

use sea_orm_migration::prelude::*;

use crate::columns::{
    big_integer, index, instant, integer, optional_big_integer, optional_text, table, text, unique_index,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(events()).await?;
        let key = ["clinic_id", "idempotency_key"];
        manager.create_index(unique_index("events", "events_idempotency_key", &key)).await?;

        manager.create_table(batches()).await?;

        manager.create_table(parked_events()).await?;
        let parent = ["clinic_id", "waiting_kind", "waiting_careq_id"];
        manager.create_index(index("parked_events", "parked_events_by_parent", &parent)).await?;
        manager.create_index(index("parked_events", "parked_events_by_due", &["due_at"])).await?;
        let record = ["clinic_id", "kind", "careq_id"];
        manager.create_index(index("parked_events", "parked_events_by_record", &record)).await
    }
}

fn events() -> TableCreateStatement {
    let columns = [
        text("event_id"),
        text("clinic_id"),
        text("idempotency_key"),
        text("content_sha256"),
        text("kind"),
        big_integer("careq_id"),
        instant("accepted_at"),
        text("outcome"),
        optional_text("appointment_status"),
        optional_text("error_code"),
        optional_text("error_message"),
        optional_text("waiting_for"),
        instant("settled_at"),
    ];
    table("events", columns)
}

fn batches() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("batches"))
        .col(text("clinic_id"))
        .col(text("batch_id"))
        .col(text("content_sha256"))
        .col(text("entries"))
        .col(instant("accepted_at"))
        .primary_key(Index::create().col(Alias::new("clinic_id")).col(Alias::new("batch_id")))
        .to_owned()
}

fn parked_events() -> TableCreateStatement {
    let columns = [
        text("event_id"),
        text("clinic_id"),
        text("kind"),
        big_integer("careq_id"),
        text("event"),
        optional_text("waiting_kind"),
        optional_big_integer("waiting_careq_id"),
        instant("due_at"),
        integer("attempts"),
        instant("parked_at"),
        optional_text("last_message"),
    ];
    table("parked_events", columns)
}
