//! `admins`: the users of the admin API, with their roles. A row is not deleted, because the audit log names it. Only
//! the digest of a token is stored.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "admins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub role: String,
    /// The digest of the token.
    pub verifier: String,
    pub created_at: ChronoDateTimeUtc,
    pub rotated_at: Option<ChronoDateTimeUtc>,
    pub disabled_at: Option<ChronoDateTimeUtc>,
    /// The expiry of the token.
    pub expires_at: Option<ChronoDateTimeUtc>,
}

plain_table!();
