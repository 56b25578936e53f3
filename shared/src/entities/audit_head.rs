//! `audit_head`: the first and the last entry of the audit chain. Its one row changes only with an entry that is
//! written or deleted.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_head")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The oldest entry that is stored.
    pub first: i64,
    /// The newest entry; 0 without entries.
    pub sequence: i64,
    /// The timestamp of the newest entry.
    pub at: ChronoDateTimeUtc,
    /// The digest of the newest entry.
    pub digest: String,
    /// The number of entries written before the chain.
    pub unchained: i64,
}

plain_table!();
