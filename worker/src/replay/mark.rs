//! States of dead letters within a job. An outcome that a transaction has recorded meanwhile is not overwritten.

use careq_shared::clock;
use careq_shared::database;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _,
};
use uuid::Uuid;

use crate::context::{Context, Stopped};
use crate::db::retries::retry_until_done;

/// States without an outcome.
const WITHOUT_OUTCOME: [JobLetterState; 2] = [JobLetterState::Pending, JobLetterState::Published];

/// The broker has confirmed the events of these dead letters.
pub(super) async fn published(
    context: &Context,
    job: &replay_job::Model,
    letters: &[Uuid],
) -> Result<(), Stopped> {
    use replay_job_letter::Column::{PublishedAt, State};
    if letters.is_empty() {
        return Ok(());
    }
    let marked = || {
        replay_job_letter::Entity::update_many()
            .col_expr(State, Expr::value(JobLetterState::Published))
            .col_expr(PublishedAt, Expr::value(clock::now()))
            .filter(in_job(job.id, letters.iter().copied()))
            .filter(State.is_in(WITHOUT_OUTCOME))
    };
    retry_until_done(context, || marked().exec(&context.database)).await.map(drop)
}

/// Whole messages are in the queue again, so their dead letters are resolved. An event of such a message that fails has a dead letter of
/// its own; a message that is undecodable again opens its dead letter again.
pub(super) async fn put_back(
    context: &Context,
    job: &replay_job::Model,
    letters: &[Uuid],
) -> Result<(), Stopped> {
    if letters.is_empty() {
        return Ok(());
    }
    retry_until_done(context, || async {
        let transaction = database::begin_write(&context.database).await?;
        let now = clock::now();
        dead_letter::Entity::update_many()
            .col_expr(dead_letter::Column::State, Expr::value(DeadLetterState::Resolved))
            .col_expr(dead_letter::Column::SettledAt, Expr::value(now))
            .filter(under_way(job.id, letters.iter().copied()))
            .exec(&transaction)
            .await?;
        replay_job_letter::Entity::update_many()
            .col_expr(replay_job_letter::Column::State, Expr::value(JobLetterState::Resolved))
            .col_expr(replay_job_letter::Column::PublishedAt, Expr::value(now))
            .col_expr(replay_job_letter::Column::SettledAt, Expr::value(now))
            .filter(in_job(job.id, letters.iter().copied()))
            .filter(replay_job_letter::Column::State.is_in(WITHOUT_OUTCOME))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    })
    .await
}

/// Dead letters without a readable event: they are open again, and skipped by the job.
pub(super) async fn skipped(
    context: &Context,
    job: &replay_job::Model,
    unreadable: &[(Uuid, String)],
) -> Result<(), Stopped> {
    for (id, reason) in unreadable {
        retry_until_done(context, || async {
            let transaction = database::begin_write(&context.database).await?;
            dead_letter::Entity::update_many()
                .col_expr(dead_letter::Column::State, Expr::value(DeadLetterState::Open))
                .filter(under_way(job.id, [*id]))
                .exec(&transaction)
                .await?;
            left_out(&transaction, job.id, *id, reason).await?;
            transaction.commit().await
        })
        .await?;
    }
    Ok(())
}

/// Skips a dead letter with a note of the reason.
pub(super) async fn left_out(
    transaction: &DatabaseTransaction,
    job_id: Uuid,
    id: Uuid,
    note: &str,
) -> Result<(), DbErr> {
    use replay_job_letter::Column::{Note, SettledAt, State};
    replay_job_letter::Entity::update_many()
        .col_expr(State, Expr::value(JobLetterState::Skipped))
        .col_expr(Note, Expr::value(note))
        .col_expr(SettledAt, Expr::value(clock::now()))
        .filter(in_job(job_id, [id]))
        .filter(State.is_in(WITHOUT_OUTCOME))
        .exec(transaction)
        .await
        .map(drop)
}

/// Finishes a job whose dead letters all have an outcome.
pub(super) async fn finished(context: &Context, job: &replay_job::Model) -> Result<bool, Stopped> {
    use replay_job_letter::Column::{JobId, LetterId, State};
    retry_until_done(context, || async {
        let untold = State.is_in(WITHOUT_OUTCOME);
        let untold = replay_job_letter::Entity::find()
            .select_only()
            .column(LetterId)
            .filter(JobId.eq(job.id))
            .filter(untold)
            .limit(1);
        if untold.into_tuple::<Uuid>().one(&context.database).await?.is_some() {
            return Ok(false);
        }
        let ended = replay_job::Entity::update_many()
            .col_expr(replay_job::Column::State, Expr::value(JobState::Finished))
            .col_expr(replay_job::Column::FinishedAt, Expr::value(clock::now()))
            .filter(replay_job::Column::Id.eq(job.id))
            .filter(replay_job::Column::State.eq(JobState::Running))
            .exec(&context.database)
            .await?;
        Ok::<_, DbErr>(ended.rows_affected > 0)
    })
    .await
}

/// Condition: the places of these dead letters in a job.
fn in_job(job_id: Uuid, letters: impl IntoIterator<Item = Uuid>) -> Condition {
    use replay_job_letter::Column::{JobId, LetterId};
    Condition::all().add(JobId.eq(job_id)).add(LetterId.is_in(letters))
}

/// Condition: these dead letters while the job replays them.
fn under_way(job_id: Uuid, letters: impl IntoIterator<Item = Uuid>) -> Condition {
    use dead_letter::Column::{Id, JobId, State};
    let is_under_way = State.eq(DeadLetterState::Replaying).and(JobId.eq(job_id));
    Condition::all().add(Id.is_in(letters)).add(is_under_way)
}
