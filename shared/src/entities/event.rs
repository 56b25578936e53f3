//! `events`, the ledger: one row per event, with its state. The idempotency key is unique within a clinic.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: String,
    pub clinic_id: String,
    pub idempotency_key: String,
    pub content_digest: String,
    pub kind: String,
    pub careq_id: i64,
    pub accepted_at: ChronoDateTimeUtc,
    pub outcome: String,
    pub appointment_status: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub waiting_for: Option<String>,
    pub settled_at: ChronoDateTimeUtc,
    /// The time of the last duplicate, to within a day.
    pub repeated_at: Option<ChronoDateTimeUtc>,
}

plain_table!();
