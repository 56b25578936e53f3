//! `doctors`. The rows are personal data, and are not logged.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "doctors")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub clinic_id: String,
    pub careq_id: i64,
    pub first_name: String,
    pub last_name: String,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub mobile_number: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip_code: Option<String>,
    pub specialization: Option<String>,
    pub notes: Option<String>,
    pub is_private: Option<bool>,
    pub timezone: Option<String>,
    pub language: Option<String>,
    pub created_at: Option<ChronoDateTimeUtc>,
    pub updated_at: ChronoDateTimeUtc,
    pub version_accepted_at: ChronoDateTimeUtc,
    pub version_event_id: String,
    pub synced_at: ChronoDateTimeUtc,
}

plain_table!();
