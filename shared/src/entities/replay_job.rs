//! `replay_jobs`: letters that go back into the system, at a rate. How far a job is must never be known anywhere else.

use sea_orm::entity::prelude::*;

use crate::replay::state::JobState;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "replay_jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub state: JobState,
    /// What it was made from, as JSON.
    pub filter: String,
    pub rate_per_second: i32,
    pub letters: i64,
    pub made_by: String,
    pub made_at: ChronoDateTimeUtc,
    pub finished_at: Option<ChronoDateTimeUtc>,
    /// Who carries it out, and until when nobody else may.
    pub worker: Option<String>,
    pub lease_ends_at: Option<ChronoDateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
