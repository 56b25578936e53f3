//! `audit_log`: who did what when. A row must never be changed, nor hold a patient's data.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: ChronoDateTimeUtc,
    pub actor: String,
    pub origin: String,
    pub action: String,
    pub letter_id: Option<Uuid>,
    pub job_id: Option<Uuid>,
    pub letters: Option<i32>,
    /// JSON.
    pub details: String,
    /// Its number in the chain; nothing in entries of a version that chained none.
    pub sequence: Option<i64>,
    /// The digest of the entry before it.
    pub previous: Option<String>,
    /// See [`crate::audit::digest`].
    pub digest: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
