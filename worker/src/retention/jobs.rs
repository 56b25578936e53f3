//! Replay jobs, with the places of their letters: one is forgotten when it was finished or cancelled so long ago. It stays as long as a
//! letter of it still waits.

use careq_shared::entities::replay_job::{Column, Entity};
use careq_shared::entities::replay_job_letter;
use careq_shared::replay::{JobLetterState, JobState};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoSimpleExpr as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::step::{Looked, MAX_ROWS, Next, Page, Rule, any_pair};

/// See the module.
pub(super) struct Jobs;

impl Rule for Jobs {
    const TABLE: &'static str = "replay_jobs";
    const WITH: Option<&'static str> = Some("replay_job_letters");

    async fn step(transaction: &DatabaseTransaction, page: &Page) -> Result<Looked, DbErr> {
        let over = Entity::find().filter(is_over());
        let (ids, next) = page.ids(transaction, over, Column::FinishedAt, Column::Id).await?;
        let due = due(transaction, ids).await?;
        if due.is_empty() {
            return Ok(Looked { forgotten: 0, with: 0, next });
        }
        let places = places(transaction, &due).await?;
        if places >= MAX_ROWS {
            return Ok(Looked { forgotten: 0, with: places, next: Next::Same });
        }
        let deleted = Entity::delete_many().filter(Column::Id.is_in(due)).exec(transaction).await?;
        Ok(Looked { forgotten: deleted.rows_affected, with: places, next })
    }
}

fn is_over() -> Condition {
    Condition::all().add(Column::State.is_in([JobState::Finished, JobState::Cancelled]))
}

/// Which of these may go.
async fn due(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<Vec<Uuid>, DbErr> {
    use replay_job_letter::Column::{JobId, State};
    if ids.is_empty() {
        return Ok(ids);
    }
    let waits = Query::select()
        .expr(Expr::val(1))
        .from(replay_job_letter::Entity)
        .and_where(JobId.into_simple_expr().eq(Column::Id.into_simple_expr()))
        .and_where(State.is_in(JobLetterState::UNDER_WAY))
        .to_owned();
    let select = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids))
        .filter(is_over())
        .filter(Expr::exists(waits).not())
        .order_by_asc(Column::FinishedAt)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    select.into_tuple().all(transaction).await
}

/// Deletes places of these jobs, at most as many as a step may; how many.
async fn places(transaction: &DatabaseTransaction, jobs: &[Uuid]) -> Result<u64, DbErr> {
    use replay_job_letter::Column::{JobId, LetterId};
    let select = replay_job_letter::Entity::find().select_only().columns([JobId, LetterId]);
    let of_jobs = select.filter(JobId.is_in(jobs.iter().copied())).limit(MAX_ROWS);
    let places: Vec<(Uuid, Uuid)> = of_jobs.into_tuple().all(transaction).await?;
    let Some(any) = any_pair(JobId, LetterId, places) else { return Ok(0) };
    let deleted = replay_job_letter::Entity::delete_many().filter(any).exec(transaction).await?;
    Ok(deleted.rows_affected)
}
