//! `patients`. The rows are personal data, and are not logged.

use sea_orm::entity::prelude::*;

use crate::seal::sealed::Sealed;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "patients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub clinic_id: String,
    pub careq_id: i64,
    pub first_name: String,
    pub last_name: String,
    pub email: Option<String>,
    pub phone_number: String,
    pub date_of_birth: Option<ChronoDate>,
    pub gender: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip_code: Option<String>,
    pub aadhar_number: Option<Sealed>,
    pub spouse_name: Option<String>,
    pub father_name: Option<String>,
    pub custom_field_1: Option<String>,
    pub custom_field_2: Option<String>,
    pub custom_field_3: Option<String>,
    pub custom_field_4: Option<String>,
    pub custom_field_5: Option<String>,
    pub notes: Option<String>,
    pub timezone: Option<String>,
    pub language: Option<String>,
    pub created_at: Option<ChronoDateTimeUtc>,
    pub updated_at: ChronoDateTimeUtc,
    pub version_accepted_at: ChronoDateTimeUtc,
    pub version_event_id: String,
    pub synced_at: ChronoDateTimeUtc,
}

plain_table!();
