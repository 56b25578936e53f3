//! Pausing, resuming and cancelling of replay jobs. A worker reads the job's state before every step, so each takes effect within one
//! step. A message of a cancelled job that is still in the queue changes nothing when a worker receives it.

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use careq_shared::{clock, database};
use sea_orm::sea_query::{Expr, LockType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde_json::json;
use uuid::Uuid;

use super::job::{Job, get};
use crate::error::Error;

/// Pauses a running job: no more dead letters are published until it is resumed.
///
/// # Errors
/// The job is unknown or not running, or the database failed.
pub async fn pause(database: &DatabaseConnection, actor: &Actor, id: Uuid) -> Result<Job, Error> {
    apply(database, actor, id, Action::Pause, (&[JobState::Running], JobState::Paused)).await
}

/// Resumes a paused job.
///
/// # Errors
/// The job is unknown or not paused, or the database failed.
pub async fn resume(database: &DatabaseConnection, actor: &Actor, id: Uuid) -> Result<Job, Error> {
    apply(database, actor, id, Action::Resume, (&[JobState::Paused], JobState::Running)).await
}

/// Cancels a job. Its dead letters without an outcome are open again, but events that wait for a parent keep waiting.
///
/// # Errors
/// The job is unknown or finished, or the database failed.
pub async fn cancel(database: &DatabaseConnection, actor: &Actor, id: Uuid) -> Result<Job, Error> {
    let from = &[JobState::Running, JobState::Paused];
    apply(database, actor, id, Action::Cancel, (from, JobState::Cancelled)).await
}

/// Changes the state of a job that is in one of the states `from`.
async fn apply(
    database: &DatabaseConnection,
    actor: &Actor,
    id: Uuid,
    action: Action,
    (from, to): (&[JobState], JobState),
) -> Result<Job, Error> {
    use replay_job::Column::{FinishedAt, Id, State};
    let transaction = database::begin_write(database).await?;
    let finished_at = (to == JobState::Cancelled).then(clock::now);
    let updated = replay_job::Entity::update_many()
        .col_expr(State, Expr::value(to))
        .col_expr(FinishedAt, Expr::value(finished_at))
        .filter(Id.eq(id))
        .filter(State.is_in(from.iter().copied()))
        .exec(&transaction)
        .await?;
    if updated.rows_affected == 0 {
        return Err(Error::WrongJobState(id, get(&transaction, id).await?.state));
    }
    if to == JobState::Cancelled {
        reopen_unsettled(&transaction, id).await?;
    }
    let deed = Deed { job_id: Some(id), details: json!({}), ..Deed::new(action) };
    audit::note(&transaction, actor, deed).await?;
    let job = get(&transaction, id).await?;
    transaction.commit().await?;
    Ok(job)
}

/// Reopens the job's dead letters without an outcome. Dead letters are locked before the job's rows, as in the workers.
async fn reopen_unsettled(transaction: &DatabaseTransaction, job_id: Uuid) -> Result<(), DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, SettledAt, State};
    lock_letters(transaction, job_id).await?;
    let unsettled = Condition::all()
        .add(JobId.eq(job_id))
        .add(State.is_in([JobLetterState::Pending, JobLetterState::Published]));
    let letters = Query::select()
        .column(LetterId)
        .from(replay_job_letter::Entity)
        .cond_where(unsettled.clone())
        .to_owned();
    dead_letter::Entity::update_many()
        .col_expr(dead_letter::Column::State, Expr::value(DeadLetterState::Open))
        // A later message of this job is then recognised as a duplicate, whichever job replays the dead letter next.
        .col_expr(dead_letter::Column::JobId, Expr::value(Option::<Uuid>::None))
        .filter(dead_letter::Column::State.eq(DeadLetterState::Replaying))
        .filter(dead_letter::Column::JobId.eq(job_id))
        .filter(dead_letter::Column::Id.in_subquery(letters))
        .exec(transaction)
        .await?;
    replay_job_letter::Entity::update_many()
        .col_expr(State, Expr::value(JobLetterState::Cancelled))
        .col_expr(SettledAt, Expr::value(clock::now()))
        .filter(unsettled)
        .exec(transaction)
        .await
        .map(drop)
}

/// Waits for workers that are settling or parking some of the dead letters. The outcome must be read in a later statement, whose snapshot
/// includes theirs.
async fn lock_letters(transaction: &DatabaseTransaction, job_id: Uuid) -> Result<(), DbErr> {
    use dead_letter::Column::{Id, JobId, State};
    let replaying = dead_letter::Entity::find()
        .select_only()
        .column(Id)
        .filter(JobId.eq(job_id))
        .filter(State.eq(DeadLetterState::Replaying))
        .order_by_asc(Id)
        .lock(LockType::NoKeyUpdate);
    replaying.into_tuple::<Uuid>().all(transaction).await.map(drop)
}
