//! The next letters of a job, which are under way from here on. A letter that somebody has settled meanwhile, or that another job
//! has, must be left alone; and nothing must be taken for a job that was paused or cancelled meanwhile.

use std::time::Duration;

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use careq_shared::{clock, database};
use sea_orm::sea_query::{Expr, LockType, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, Iterable as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::{mark, patiently};
use crate::bounds;
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};

/// Most letters of one message, which is one transaction of a lane.
const MAX_TOGETHER: u64 = 100;

/// Steps of a second, so that a pause or a cancellation takes hold soon, and the load comes evenly.
const STEPS_PER_SECOND: u64 = 5;

/// Most letters of all jobs that are published and not settled: what is in the queue cannot be paused, and batches of CareQ stand behind it.
const MAX_UNDER_WAY: u64 = 500;

/// A letter that was published so long ago is published again: a worker of an older version may have taken the message, which it
/// cannot read. Where it still is in the queue, it is a copy.
const PUBLISHED_AGAIN_AFTER: Duration = Duration::from_mins(15);

/// What a step has to do with.
pub(super) struct Taken {
    /// How many of the job's letters were looked at.
    pub(super) count: usize,
    /// Those that are to be published.
    pub(super) letters: Vec<dead_letter::Model>,
}

/// Takes the next letters.
pub(super) async fn next(lane: &Lane, job: &replay_job::Model) -> Result<Taken, Stopped> {
    patiently(lane, || async {
        let transaction = database::begin_write(&lane.database).await?;
        let taken = take(&transaction, job).await?;
        transaction.commit().await?;
        Ok(taken)
    })
    .await
}

async fn take(transaction: &DatabaseTransaction, job: &replay_job::Model) -> Result<Taken, Fault> {
    use dead_letter::Column::Id;
    let runs = still_runs(transaction, job.id).await?;
    let ids = if runs { pending(transaction, job).await? } else { Vec::new() };
    if ids.is_empty() {
        return Ok(Taken { count: 0, letters: Vec::new() });
    }
    set_under_way(transaction, job.id, &ids).await?;
    // As many as fit into a message; the others are the next.
    let letters = dead_letter::Entity::find().filter(Id.is_in(ids.clone())).into_query();
    let columns = dead_letter::Column::iter();
    let first = bounds::first_rows(letters, columns, "payload", &["first_seen_at", "id"]);
    let statement = transaction.get_database_backend().build(&first);
    let letters = dead_letter::Entity::find().from_raw_sql(statement).all(transaction).await?;
    // Also those that a worker took before it died: whether they were published, nobody knows.
    let is_ours = |letter: &dead_letter::Model| {
        letter.state == DeadLetterState::Replaying && letter.job_id == Some(job.id)
    };
    let (ours, others): (Vec<_>, Vec<_>) = letters.into_iter().partition(is_ours);
    for letter in &others {
        skip(transaction, job.id, letter).await?;
    }
    Ok(Taken { count: ours.len() + others.len(), letters: ours })
}

/// Whoever pauses or cancels the job waits until these letters are taken, and then sees that they are; or was quicker.
async fn still_runs(transaction: &DatabaseTransaction, job_id: Uuid) -> Result<bool, DbErr> {
    let running = replay_job::Entity::find_by_id(job_id)
        .select_only()
        .column(replay_job::Column::Id)
        .filter(replay_job::Column::State.eq(JobState::Running))
        .lock(LockType::Share);
    Ok(running.into_tuple::<Uuid>().one(transaction).await?.is_some())
}

async fn pending(transaction: &DatabaseTransaction, job: &replay_job::Model) -> Result<Vec<Uuid>, DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, Position, PublishedAt, State};
    let of_job = || {
        let select = replay_job_letter::Entity::find().select_only().column(LetterId);
        select.filter(JobId.eq(job.id)).order_by_asc(Position)
    };
    let lost = State
        .eq(JobLetterState::Published)
        .and(PublishedAt.lt(clock::whole_microseconds(clock::now() - PUBLISHED_AGAIN_AFTER)));
    let lost: Vec<Uuid> = of_job().filter(lost).limit(MAX_TOGETHER).into_tuple().all(transaction).await?;
    if !lost.is_empty() {
        tracing::warn!(job = %job.id, letters = lost.len(), "nobody has taken these letters; they are published again");
        return Ok(lost);
    }
    let rate = u64::try_from(job.rate_per_second).unwrap_or(1);
    let under_way = under_way(transaction).await?;
    let limit = (rate / STEPS_PER_SECOND).clamp(1, MAX_TOGETHER).min(MAX_UNDER_WAY.saturating_sub(under_way));
    let pending = of_job().filter(State.eq(JobLetterState::Pending)).limit(limit);
    pending.into_tuple().all(transaction).await
}

/// How many letters of all jobs are published and not settled.
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
    // An update locks its rows in whatever order; everybody else locks letters by their ids.
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
