//! The unfinished work of all replay jobs, for metrics and alarms. A state without jobs is listed with 0, so that its
//! alarm ends. Jobs are not listed one by one, because their number is unbounded.

use sea_orm::prelude::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};

use super::state::{JobLetterState, JobState};
use crate::entities::{replay_job, replay_job_letter};

/// The number of jobs in each state, and of their unfinished letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// The number of jobs, by state.
    pub jobs: Vec<(JobState, i64)>,
    /// The number of letters in each state of [`JobLetterState::UNDER_WAY`], of running and paused jobs.
    pub letters: Vec<(JobLetterState, i64)>,
}

/// Counts jobs and letters. Finished letters cost nothing: the index by state serves the query, as long as no other
/// column is read.
///
/// # Errors
/// The database's own error.
pub async fn under_way(database: &DatabaseConnection) -> Result<UnderWay, DbErr> {
    use replay_job_letter::Column::{JobId, State};
    let jobs: Vec<(JobState, i64)> = replay_job::Entity::find()
        .select_only()
        .column(replay_job::Column::State)
        .column_as(replay_job::Column::Id.count(), "jobs")
        .group_by(replay_job::Column::State)
        .into_tuple()
        .all(database)
        .await?;
    let unfinished = replay_job::Entity::find()
        .select_only()
        .column(replay_job::Column::Id)
        .filter(replay_job::Column::State.is_in([JobState::Running, JobState::Paused]));
    let letters: Vec<(JobLetterState, i64)> = replay_job_letter::Entity::find()
        .select_only()
        .column(State)
        .column_as(Expr::cust("COUNT(*)"), "letters")
        .filter(JobId.in_subquery(unfinished.into_query()))
        .filter(State.is_in(JobLetterState::UNDER_WAY))
        .group_by(State)
        .into_tuple()
        .all(database)
        .await?;
    Ok(UnderWay { jobs: every(&JobState::ALL, &jobs), letters: every(&JobLetterState::UNDER_WAY, &letters) })
}

fn every<S: Copy + PartialEq>(states: &[S], counted: &[(S, i64)]) -> Vec<(S, i64)> {
    let count = |state| counted.iter().find(|(listed, _)| *listed == state).map_or(0, |(_, count)| *count);
    states.iter().map(|state| (*state, count(*state))).collect()
}
