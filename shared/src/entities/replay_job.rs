//! `replay_jobs`: jobs that publish dead letters again, at a rate. The rows are the only record of a job's progress.

use sea_orm::entity::prelude::*;

use crate::replay::state::JobState;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "replay_jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub state: JobState,
    /// The filter from which the job was created, as JSON.
    pub filter: String,
    pub rate_per_second: i32,
    pub letters: i64,
    pub made_by: String,
    pub made_at: ChronoDateTimeUtc,
    pub finished_at: Option<ChronoDateTimeUtc>,
    /// The worker that runs the job, until `lease_ends_at`.
    pub worker: Option<String>,
    pub lease_ends_at: Option<ChronoDateTimeUtc>,
}

plain_table!();
