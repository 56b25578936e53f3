//! `batches`: the records of a batch, in the order sent, from which its report is made.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "batches")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub clinic_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch_id: String,
    pub content_digest: String,
    pub entries: String,
    pub accepted_at: ChronoDateTimeUtc,
}

plain_table!();
