//! `processes`: the processes of an installation, and what each does.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "processes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The word of the process; a later version may have others.
    pub kind: String,
    pub host: String,
    pub pid: i64,
    pub version: String,
    pub started_at: ChronoDateTimeUtc,
    /// The last sign of life, by the database's clock.
    pub seen_at: ChronoDateTimeUtc,
    /// The number of its consumers that work; 0 while it cannot reach the broker.
    pub concurrency: i32,
    /// The number of partitions that it knows.
    pub partitions: i32,
    /// Events in progress.
    pub in_flight: i64,
    /// Events since the sign of life before.
    pub events_per_s: f64,
    /// Of the batches since the sign of life before; empty without a batch.
    pub batch_p95_ms: Option<i64>,
}

plain_table!();
