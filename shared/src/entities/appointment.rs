//! `appointments`. A row has two versions: one of the details (`updated_at`, `version_*`), and one of the status
//! (`status_*`).

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "appointments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub clinic_id: String,
    pub careq_id: i64,
    pub patient_careq_id: i64,
    pub doctor_careq_id: i64,
    pub service_careq_id: i64,
    pub book_datetime: ChronoDateTimeUtc,
    pub start_datetime: ChronoDateTimeUtc,
    pub end_datetime: ChronoDateTimeUtc,
    pub location: Option<String>,
    pub notes: Option<String>,
    pub prescription: Option<String>,
    pub referred_by: Option<String>,
    pub referred_by_address: Option<String>,
    pub color: Option<String>,
    pub hash: Option<String>,
    pub confirmation_number: String,
    pub created_at: Option<ChronoDateTimeUtc>,
    pub updated_at: ChronoDateTimeUtc,
    pub version_accepted_at: ChronoDateTimeUtc,
    pub version_event_id: String,
    pub status: String,
    pub status_notes: Option<String>,
    pub cancellation_reason: Option<String>,
    pub cancelled_by: Option<String>,
    pub cancelled_at: Option<ChronoDateTimeUtc>,
    pub status_updated_at: ChronoDateTimeUtc,
    pub status_accepted_at: ChronoDateTimeUtc,
    pub status_event_id: String,
    /// Other versions that compete for the status, as JSON; `None` if the shown one is the only one.
    pub status_versions: Option<String>,
    pub synced_at: ChronoDateTimeUtc,
}

plain_table!();
