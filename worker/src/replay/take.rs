//! Takes the next dead letters of a job, without postponed ones. Dead letters that have an outcome or belong to another job are skipped;
//! nothing is taken for a job that was paused or cancelled.

use std::time::Duration;

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use careq_shared::{clock, database};
use sea_orm::sea_query::{Expr, LockType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _,
    IntoSimpleExpr as _, Iterable as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::mark;
use super::postponed::Postponed;
use crate::context::{Context, Stopped};
use crate::db::bounds;
use crate::db::retries::retry_until_done;
use crate::fault::Fault;

/// Maximum number of events in one message, which is one transaction.
const MAX_TOGETHER: u64 = 100;

/// Steps per second: a pause or cancellation takes effect soon, and the load is even.
const STEPS_PER_SECOND: u64 = 5;

/// Maximum number of published events without an outcome, of all jobs: queued events cannot be paused and delay CareQ's batches.
const MAX_UNDER_WAY: u64 = 500;

/// An event without an outcome is published again after this time: a worker of an older version may have consumed a message that it
/// cannot decode. If the first message is still queued, the second is a duplicate.
const REPUBLISH_TIMEOUT: Duration = Duration::from_mins(15);

/// Dead letters of one step.
pub(super) struct Taken {
    /// Number of the job's dead letters that were examined.
    pub(super) count: usize,
    /// Those to be published.
    pub(super) letters: Vec<dead_letter::Model>,
}

/// Takes the next dead letters.
pub(super) async fn next(
    context: &Context,
    job: &replay_job::Model,
    postponed: &Postponed,
) -> Result<Taken, Stopped> {
    retry_until_done(context, || async {
        let transaction = database::begin_write(&context.database).await?;
        let taken = take(&transaction, job, postponed).await?;
        transaction.commit().await?;
        Ok::<_, Fault>(taken)
    })
    .await
}

async fn take(
    transaction: &DatabaseTransaction,
    job: &replay_job::Model,
    postponed: &Postponed,
) -> Result<Taken, Fault> {
    use dead_letter::Column::Id;
    let runs = still_runs(transaction, job.id).await?;
    let ids = if runs { pending(transaction, job, postponed).await? } else { Vec::new() };
    if ids.is_empty() {
        return Ok(Taken { count: 0, letters: Vec::new() });
    }
    set_under_way(transaction, job.id, &ids).await?;
    // As many as fit into a message; the others follow in the next step.
    let letters = dead_letter::Entity::find().filter(Id.is_in(ids.clone())).into_query();
    let columns = dead_letter::Column::iter();
    let first = bounds::first_rows(letters, columns, "payload", &["first_seen_at", "id"]);
    let statement = transaction.get_database_backend().build(&first);
    let letters = dead_letter::Entity::find().from_raw_sql(statement).all(transaction).await?;
    // Also those that a dead worker took: they may or may not have been published.
    let is_ours = |letter: &dead_letter::Model| {
        letter.state == DeadLetterState::Replaying && letter.job_id == Some(job.id)
    };
    let (ours, others): (Vec<_>, Vec<_>) = letters.into_iter().partition(is_ours);
    for letter in &others {
        skip(transaction, job.id, letter).await?;
    }
    Ok(Taken { count: ours.len() + others.len(), letters: ours })
}

/// Locks the running job, so that a pause or cancellation waits until these dead letters are taken.
async fn still_runs(transaction: &DatabaseTransaction, job_id: Uuid) -> Result<bool, DbErr> {
    let running = replay_job::Entity::find_by_id(job_id)
        .select_only()
        .column(replay_job::Column::Id)
        .filter(replay_job::Column::State.eq(JobState::Running))
        .lock(LockType::Share);
    Ok(running.into_tuple::<Uuid>().one(transaction).await?.is_some())
}

async fn pending(
    transaction: &DatabaseTransaction,
    job: &replay_job::Model,
    postponed: &Postponed,
) -> Result<Vec<Uuid>, DbErr> {
    use replay_job_letter::Column::{LetterId, Position, PublishedAt, State};
    let job_letters = || {
        let select = replay_job_letter::Entity::find().select_only().column(LetterId);
        select.filter(not_postponed(job.id, postponed)).order_by_asc(Position)
    };
    let lost = State
        .eq(JobLetterState::Published)
        .and(PublishedAt.lt(clock::whole_microseconds(clock::now() - REPUBLISH_TIMEOUT)));
    let lost: Vec<Uuid> =
        job_letters().filter(lost).limit(MAX_TOGETHER).into_tuple().all(transaction).await?;
    if !lost.is_empty() {
        tracing::warn!(job = %job.id, letters = lost.len(), "these letters were not processed; they are published again");
        return Ok(lost);
    }
    let rate = u64::try_from(job.rate_per_second).unwrap_or(1);
    let under_way = under_way(transaction).await?;
    let limit = (rate / STEPS_PER_SECOND).clamp(1, MAX_TOGETHER).min(MAX_UNDER_WAY.saturating_sub(under_way));
    let pending = job_letters().filter(State.eq(JobLetterState::Pending)).limit(limit);
    pending.into_tuple().all(transaction).await
}

/// Condition: dead letters of a job that are not postponed.
fn not_postponed(job_id: Uuid, postponed: &Postponed) -> Condition {
    use replay_job_letter::Column::{JobId, LetterId};
    let of_job = Condition::all().add(JobId.eq(job_id));
    if postponed.is_empty() {
        return of_job;
    }
    let of_postponed_clinic = Query::select()
        .expr(Expr::val(1))
        .from(dead_letter::Entity)
        .and_where(dead_letter::Column::Id.into_simple_expr().eq(LetterId.into_simple_expr()))
        .and_where(dead_letter::Column::ClinicId.is_in(postponed.clinics()))
        // With OFFSET 0 PostgreSQL looks each dead letter up instead of reading the whole table.
        .limit(1)
        .offset(0)
        .to_owned();
    of_job.add(LetterId.is_not_in(postponed.messages())).add(Expr::exists(of_postponed_clinic).not())
}

/// Number of published events without an outcome, of all jobs.
async fn under_way(transaction: &DatabaseTransaction) -> Result<u64, DbErr> {
    use replay_job_letter::Column::{JobId, State};
    let live = replay_job::Column::State.is_in([JobState::Running, JobState::Paused]);
    let live =
        Query::select().column(replay_job::Column::Id).from(replay_job::Entity).and_where(live).to_owned();
    let published = replay_job_letter::Entity::find()
        .filter(JobId.in_subquery(live))
        .filter(State.eq(JobLetterState::Published));
    published.count(transaction).await
}

async fn set_under_way(transaction: &DatabaseTransaction, job_id: Uuid, ids: &[Uuid]) -> Result<(), DbErr> {
    use dead_letter::Column::{Id, JobId, State};
    // An update locks its rows in any order; every other statement locks dead letters by id.
    let locked = dead_letter::Entity::find().select_only().column(Id).filter(Id.is_in(ids.iter().copied()));
    let locked = locked.order_by_asc(Id).lock(LockType::NoKeyUpdate).into_tuple::<Uuid>();
    locked.all(transaction).await?;
    dead_letter::Entity::update_many()
        .col_expr(State, Expr::value(DeadLetterState::Replaying))
        .col_expr(JobId, Expr::value(job_id))
        .filter(Id.is_in(ids.iter().copied()))
        .filter(State.eq(DeadLetterState::Open))
        .exec(transaction)
        .await
        .map(drop)
}

async fn skip(
    transaction: &DatabaseTransaction,
    job_id: Uuid,
    letter: &dead_letter::Model,
) -> Result<(), DbErr> {
    let note = match letter.state {
        DeadLetterState::Replaying => "It was under way already".to_owned(),
        state => format!("It was {state} before"),
    };
    mark::left_out(transaction, job_id, letter.id, &note).await
}
