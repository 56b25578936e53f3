//! What replay jobs have still to do, all of them together: what an alarm watches. A state in which nothing stands must still be named,
//! or its alarm would never end; no job must be named, since there may be any number.

use sea_orm::prelude::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};

use super::state::{JobLetterState, JobState};
use crate::entities::{replay_job, replay_job_letter};

/// How many jobs stand where, and the letters that they have still to see to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Jobs in each state.
    pub jobs: Vec<(JobState, i64)>,
    /// Letters in each state of [`JobLetterState::UNDER_WAY`], of the jobs that run or are paused.
    pub letters: Vec<(JobLetterState, i64)>,
}

/// Reads it from the rows. What is over costs nothing: an index has the letters of a job by their states, as long as no other column
/// is asked for.
///
/// # Errors
/// The database's own.
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
    Ok(UnderWay { jobs: every(JobState::ALL, &jobs), letters: every(&JobLetterState::UNDER_WAY, &letters) })
}

fn every<S: Copy + PartialEq>(states: &[S], counted: &[(S, i64)]) -> Vec<(S, i64)> {
    let count = |state| counted.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
    states.iter().map(|state| (*state, count(*state))).collect()
}
