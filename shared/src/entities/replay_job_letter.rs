//! `replay_job_letters`: the letters of a job, each with its state. They are fixed when the job is created.

use sea_orm::entity::prelude::*;

use crate::replay::state::JobLetterState;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "replay_job_letters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub letter_id: Uuid,
    pub position: i64,
    pub state: JobLetterState,
    pub note: Option<String>,
    pub published_at: Option<ChronoDateTimeUtc>,
    pub settled_at: Option<ChronoDateTimeUtc>,
}

plain_table!();
