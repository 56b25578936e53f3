//! `audit_log`: actor, action and time. Rows are not changed, and hold no patient's data.

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
    /// The details, as JSON.
    pub details: String,
    /// The position in the chain; `None` for entries written before the chain.
    pub sequence: Option<i64>,
    /// The digest of the entry before.
    pub previous: Option<String>,
    /// See [`crate::audit::digest`].
    pub digest: Option<String>,
}

plain_table!();
