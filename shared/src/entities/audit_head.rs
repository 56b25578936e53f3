//! `audit_head`: where the chain of the audit log begins and ends. Its one row must never be changed but with an entry that is written,
//! or forgotten.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_head")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The oldest entry that is kept.
    pub first: i64,
    /// The newest entry; 0 where there is none.
    pub sequence: i64,
    /// The newest entry's time.
    pub at: ChronoDateTimeUtc,
    /// The newest entry's digest.
    pub digest: String,
    /// Entries of a version that chained none.
    pub unchained: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
