//! `services`. A price does not pass through a floating-point number.

use sea_orm::entity::prelude::*;

use super::stored_price::StoredPrice;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "services")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub clinic_id: String,
    pub careq_id: i64,
    pub name: String,
    pub duration: i32,
    pub price: Option<StoredPrice>,
    pub currency: Option<String>,
    pub description: Option<String>,
    pub location: Option<String>,
    pub color: Option<String>,
    pub category: Option<String>,
    pub is_private: Option<bool>,
    pub created_at: Option<ChronoDateTimeUtc>,
    pub updated_at: ChronoDateTimeUtc,
    pub version_accepted_at: ChronoDateTimeUtc,
    pub version_event_id: String,
    pub synced_at: ChronoDateTimeUtc,
}

plain_table!();
