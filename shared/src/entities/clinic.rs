//! `clinics`: the callers. A clinic is disabled and never deleted, because its records stay. Its event key is sealed.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "clinics")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub clinic_id: String,
    pub event_key: Vec<u8>,
    pub answer_within_ms: Option<i32>,
    pub rate_per_minute: Option<i32>,
    pub rate_burst: Option<i32>,
    pub addresses: Option<String>,
    pub created_at: ChronoDateTimeUtc,
    pub disabled_at: Option<ChronoDateTimeUtc>,
}

plain_table!();
