//! `parked_events`: events that wait for a parent or for another attempt. Each has an unsettled row in `events`.

use sea_orm::entity::prelude::*;

use crate::seal::sealed::Sealed;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "parked_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: String,
    pub clinic_id: String,
    pub kind: String,
    pub careq_id: i64,
    pub event: Sealed,
    pub waiting_kind: Option<String>,
    pub waiting_careq_id: Option<i64>,
    pub due_at: ChronoDateTimeUtc,
    pub attempts: i32,
    pub parked_at: ChronoDateTimeUtc,
    pub last_message: Option<String>,
    /// The failed attempts, as JSON.
    pub tries: Option<String>,
}

plain_table!();
