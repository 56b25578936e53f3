//! `dead_letter_attempts`: every failure of an event with a dead letter. Rows are not changed.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub letter_id: Uuid,
    pub at: ChronoDateTimeUtc,
    pub worker: String,
    pub version: String,
    pub message: String,
}

plain_table!();
