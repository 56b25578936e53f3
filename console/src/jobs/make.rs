//! Creation of a replay job. The dead letters that match at that moment are its fixed set: later failures are not in it, and dead letters
//! that are settled meanwhile are skipped.

use careq_shared::audit::{self, Action, Actor, Deed};
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

use super::job::{Job, get};
use crate::dead_letters::filter::{Filter, Selection};
use crate::dead_letters::list::nothing_open;
use crate::error::Error;
use crate::limits::MAX_RATE_PER_SECOND;

/// The number of letters that a job would replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Plan {
    /// Letters that match and are open.
    pub letters: u64,
    /// Of these, letters that no worker could decode. The worker of the job skips those that it cannot decode either.
    pub undecodable: u64,
}

/// Counts the dead letters that a job with this filter would replay now.
///
/// # Errors
/// The database failed.
pub async fn plan(database: &DatabaseConnection, filter: &Filter) -> Result<Plan, Error> {
    let open = dead_letter::Entity::find().filter(filter.open());
    let undecodable = open.clone().filter(dead_letter::Column::Class.eq(Class::Undecodable.as_str()));
    Ok(Plan { letters: open.count(database).await?, undecodable: undecodable.count(database).await? })
}

/// Creates a job of the selected open dead letters, to be published at this rate at most.
///
/// # Errors
/// Nothing matches, the rate is out of range, or the database failed.
pub async fn make(
    database: &DatabaseConnection,
    actor: &Actor,
    selection: &Selection,
    rate_per_second: u32,
) -> Result<Job, Error> {
    let transaction = database::begin_write(database).await?;
    let job = make_in(&transaction, actor, selection, rate_per_second).await?;
    // The foreign key is checked for each row at the commit.
    database::set_plan_caching(&transaction, database::Planning::Cached).await?;
    transaction.commit().await?;
    Ok(job)
}

/// [`make`], within a transaction.
pub(crate) async fn make_in(
    transaction: &DatabaseTransaction,
    actor: &Actor,
    selection: &Selection,
    rate_per_second: u32,
) -> Result<Job, Error> {
    if !(1..=MAX_RATE_PER_SECOND).contains(&rate_per_second) {
        return Err(Error::InvalidRate);
    }
    let (id, filter) = (Uuid::new_v4(), selection.filter());
    let letters = insert_set(transaction, id, filter).await?;
    if letters == 0 {
        return Err(nothing_open(transaction, filter).await);
    }
    let job = replay_job::Model {
        id,
        state: JobState::Running,
        filter: serde_json::to_string(filter).map_err(|fault| DbErr::Json(fault.to_string()))?,
        rate_per_second: i32::try_from(rate_per_second).map_err(|_| Error::InvalidRate)?,
        letters: i64::try_from(letters).map_err(|fault| DbErr::Type(fault.to_string()))?,
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

/// Inserts the job's dead letters in one statement, the earliest accepted event first.
async fn insert_set(transaction: &DatabaseTransaction, job_id: Uuid, filter: &Filter) -> Result<u64, DbErr> {
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
