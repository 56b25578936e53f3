//! A job is made: what matches at that moment is its set for ever. What fails later is not in it, and what is settled meanwhile is
//! skipped.

use careq_shared::dead_letters::Class;
use careq_shared::entities::{dead_letter, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use careq_shared::{clock, database};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{FASTEST_PER_SECOND, Job, get};
use crate::Error;
use crate::audit::{self, Action, Actor, Deed};
use crate::letters::{Chosen, Filter, nothing_open};

/// What a job would replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Plan {
    /// Letters that match and are open.
    pub letters: u64,
    /// Of these, letters whose bytes no worker could read when they came. What the worker of the job still cannot read, it skips.
    pub skipped: u64,
}

/// What a job of this filter would replay now.
///
/// # Errors
/// The database's own.
pub async fn plan(database: &DatabaseConnection, filter: &Filter) -> Result<Plan, Error> {
    let open = dead_letter::Entity::find().filter(filter.open());
    let unreadable = open.clone().filter(dead_letter::Column::Class.eq(Class::Undecodable.as_str()));
    Ok(Plan { letters: open.count(database).await?, skipped: unreadable.count(database).await? })
}

/// Makes a job of the open letters that match; at most so many of them are published a second.
///
/// # Errors
/// Nothing matches, the rate is none; or the database's own.
pub async fn make(
    database: &DatabaseConnection,
    actor: &Actor,
    chosen: &Chosen,
    rate_per_second: u32,
) -> Result<Job, Error> {
    let transaction = database::begin_write(database).await?;
    let job = within(&transaction, actor, chosen, rate_per_second).await?;
    transaction.commit().await?;
    Ok(job)
}

/// The same within a transaction.
pub(crate) async fn within(
    transaction: &DatabaseTransaction,
    actor: &Actor,
    chosen: &Chosen,
    rate_per_second: u32,
) -> Result<Job, Error> {
    if !(1..=FASTEST_PER_SECOND).contains(&rate_per_second) {
        return Err(Error::Rate);
    }
    let (id, filter) = (Uuid::new_v4(), chosen.filter());
    let letters = take(transaction, id, filter).await?;
    if letters == 0 {
        return Err(nothing_open(transaction, filter).await);
    }
    let job = replay_job::Model {
        id,
        state: JobState::Running,
        filter: serde_json::to_string(filter).unwrap_or_default(),
        rate_per_second: i32::try_from(rate_per_second).unwrap_or(i32::MAX),
        letters: i64::try_from(letters).unwrap_or(i64::MAX),
        made_by: actor.name.clone(),
        made_at: clock::now(),
        finished_at: None,
        worker: None,
        lease_ends_at: None,
    };
    replay_job::Entity::insert(job.into_active_model()).exec_without_returning(transaction).await?;
    let job = get(transaction, id).await?;
    let details = json!({ "filter": filter, "rate_per_second": rate_per_second });
    let deed = Deed { job_id: Some(id), letters: Some(letters), details, ..Deed::new(Action::Replay) };
    audit::note(transaction, actor, deed).await?;
    Ok(job)
}

/// Fixes the set, in one statement: the events that were accepted first come first.
async fn take(transaction: &DatabaseTransaction, job_id: Uuid, filter: &Filter) -> Result<u64, DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, Position, State};
    let letters = dead_letter::Entity::find()
        .select_only()
        .expr(Expr::val(job_id))
        .column(dead_letter::Column::Id)
        .expr(Expr::cust("ROW_NUMBER() OVER (ORDER BY first_seen_at, id)"))
        .expr(Expr::val(JobLetterState::Pending.as_str()))
        .filter(filter.open())
        .into_query();
    let mut insert = Query::insert();
    insert.into_table(replay_job_letter::Entity).columns([JobId, LetterId, Position, State]);
    insert.select_from(letters).map_err(|fault| DbErr::Custom(fault.to_string()))?;
    let statement = transaction.get_database_backend().build(&insert);
    Ok(transaction.execute(statement).await?.rows_affected())
}
