//! `leases`: work that one worker at a time does for all workers. A lease expires, so the lease of a dead worker
//! needs no release.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The last holder.
    pub worker: String,
    /// The end of the lease.
    pub ends_at: ChronoDateTimeUtc,
}

plain_table!();
