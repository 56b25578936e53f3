//! Pause, resume, cancel. A worker looks at a job's state before every step, so each takes hold within one. A copy that is in the
//! queue when its job is cancelled changes nothing when it is taken.

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

use super::{Job, get};
use crate::Error;
use crate::audit::{self, Action, Actor, Deed};

/// Publishes no more of a job until it is resumed.
///
/// # Errors
/// There is no such job, it does not run; or the database's own.
pub async fn pause(database: &DatabaseConnection, actor: &Actor, id: Uuid) -> Result<Job, Error> {
    turn(
        database,
        actor,
        id,
        Turn { action: Action::Pause, from: &[JobState::Running], to: JobState::Paused },
    )
    .await
}

/// Goes on with a paused job.
///
/// # Errors
/// There is no such job, it is not paused; or the database's own.
pub async fn resume(database: &DatabaseConnection, actor: &Actor, id: Uuid) -> Result<Job, Error> {
    turn(
        database,
        actor,
        id,
        Turn { action: Action::Resume, from: &[JobState::Paused], to: JobState::Running },
    )
    .await
}

/// Ends a job: whatever of it has no outcome yet is open again. What waits for a parent goes on by itself.
///
/// # Errors
/// There is no such job, it is at its end; or the database's own.
pub async fn cancel(database: &DatabaseConnection, actor: &Actor, id: Uuid) -> Result<Job, Error> {
    let from = &[JobState::Running, JobState::Paused];
    turn(database, actor, id, Turn { action: Action::Cancel, from, to: JobState::Cancelled }).await
}

struct Turn {
    action: Action,
    from: &'static [JobState],
    to: JobState,
}

async fn turn(database: &DatabaseConnection, actor: &Actor, id: Uuid, turn: Turn) -> Result<Job, Error> {
    use replay_job::Column::{FinishedAt, Id, State};
    let transaction = database::begin_write(database).await?;
    let ended_at = (turn.to == JobState::Cancelled).then(clock::now);
    let turned = replay_job::Entity::update_many()
        .col_expr(State, Expr::value(turn.to))
        .col_expr(FinishedAt, Expr::value(ended_at))
        .filter(Id.eq(id))
        .filter(State.is_in(turn.from.iter().copied()))
        .exec(&transaction)
        .await?;
    if turned.rows_affected == 0 {
        return Err(Error::JobIs(id, get(&transaction, id).await?.state));
    }
    if turn.to == JobState::Cancelled {
        open_again(&transaction, id).await?;
    }
    let deed = Deed { job_id: Some(id), details: json!({}), ..Deed::new(turn.action) };
    audit::note(&transaction, actor, deed).await?;
    let job = get(&transaction, id).await?;
    transaction.commit().await?;
    Ok(job)
}

/// Letters first, as the workers lock them.
async fn open_again(transaction: &DatabaseTransaction, job_id: Uuid) -> Result<(), DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, SettledAt, State};
    lock_letters(transaction, job_id).await?;
    let untold = Condition::all()
        .add(JobId.eq(job_id))
        .add(State.is_in([JobLetterState::Pending, JobLetterState::Published]));
    let letters = Query::select()
        .column(LetterId)
        .from(replay_job_letter::Entity)
        .cond_where(untold.clone())
        .to_owned();
    dead_letter::Entity::update_many()
        .col_expr(dead_letter::Column::State, Expr::value(DeadLetterState::Open))
        // Whatever takes it under way next, a copy of this job is a copy.
        .col_expr(dead_letter::Column::JobId, Expr::value(Option::<Uuid>::None))
        .filter(dead_letter::Column::State.eq(DeadLetterState::Replaying))
        .filter(dead_letter::Column::JobId.eq(job_id))
        .filter(dead_letter::Column::Id.in_subquery(letters))
        .exec(transaction)
        .await?;
    replay_job_letter::Entity::update_many()
        .col_expr(State, Expr::value(JobLetterState::Cancelled))
        .col_expr(SettledAt, Expr::value(clock::now()))
        .filter(untold)
        .exec(transaction)
        .await
        .map(drop)
}

/// A lane may just be settling or parking some of them. Whoever waited for it must ask in a new statement what became of them.
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
