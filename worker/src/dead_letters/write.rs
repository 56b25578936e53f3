//! The statements that change letters, and with them the replay jobs that they are under way in. Letters are always locked before
//! jobs, and by their ids, so that those who lock several wait for each other in one order.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::clock;
use careq_shared::dead_letters::{LetterState, letter_id};
use careq_shared::entities::{dead_letter, dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use sea_orm::sea_query::{Alias, Expr, LockType, OnConflict, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _,
    IntoSimpleExpr as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::row::Before;
use super::{Followed, Letter};
use crate::fault::Fault;
use crate::working_set::WorkingSet;

/// Writes what the batch has done to letters; those that have failed.
pub(crate) async fn changes<'set>(
    transaction: &DatabaseTransaction,
    set: &'set WorkingSet,
) -> Result<Vec<&'set Letter>, Fault> {
    let Followed { resolved, under_way } = &set.followed;
    let followed = [ids(resolved), ids(under_way)].concat();
    lock(transaction, followed.into_iter().chain(set.dead_letters.iter().map(|letter| letter.row.id)))
        .await?;
    if !resolved.is_empty() {
        resolve(transaction, ids(resolved)).await?;
    }
    if !under_way.is_empty() {
        set_under_way(transaction, ids(under_way)).await?;
    }
    opened(transaction, &set.dead_letters).await
}

/// Locks letters that are there, in one order for everyone, and says how they stand.
async fn lock(
    transaction: &DatabaseTransaction,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, Before>, DbErr> {
    use dead_letter::Column::{Id, JobId, SettledAt, State};
    let ids: BTreeSet<_> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let select = dead_letter::Entity::find()
        .select_only()
        .columns([Id, State, JobId, SettledAt])
        .filter(Id.is_in(ids))
        .order_by_asc(Id)
        .lock(LockType::NoKeyUpdate);
    let letters: Vec<Before> = select.into_model().all(transaction).await?;
    Ok(letters.into_iter().map(|before| (before.id, before)).collect())
}

fn ids(event_ids: &[String]) -> Vec<Uuid> {
    event_ids.iter().map(|event_id| letter_id(event_id)).collect()
}

pub(super) async fn resolve(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<(), DbErr> {
    use dead_letter::Column::{Id, SettledAt, State};
    let now = clock::now();
    let resolved = dead_letter::Entity::update_many()
        .col_expr(State, Expr::value(LetterState::Resolved))
        .col_expr(SettledAt, Expr::value(now))
        .filter(Id.is_in(ids.clone()))
        .filter(State.is_in([LetterState::Open, LetterState::Replaying]))
        .exec(transaction)
        .await?;
    if resolved.rows_affected == 0 {
        return Ok(());
    }
    // Also in jobs that have not come to it yet.
    replay_job_letter::Entity::update_many()
        .col_expr(replay_job_letter::Column::State, Expr::value(JobLetterState::Resolved))
        .col_expr(replay_job_letter::Column::SettledAt, Expr::value(now))
        .filter(replay_job_letter::Column::LetterId.is_in(ids))
        .filter(replay_job_letter::Column::State.is_in(JobLetterState::UNDER_WAY))
        .exec(transaction)
        .await
        .map(drop)
}

async fn set_under_way(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<(), DbErr> {
    use dead_letter::Column::{Id, State};
    dead_letter::Entity::update_many()
        .col_expr(State, Expr::value(LetterState::Replaying))
        .filter(Id.is_in(ids.clone()))
        .filter(State.eq(LetterState::Open))
        .exec(transaction)
        .await?;
    replay_job_letter::Entity::update_many()
        .col_expr(replay_job_letter::Column::State, Expr::value(JobLetterState::Waiting))
        .filter(in_its_job(ids))
        .exec(transaction)
        .await
        .map(drop)
}

/// Writes letters that need a person; a letter that is there already is opened again, with one more failure. A copy of what has
/// failed is no failure, and changes nothing. Those that have failed.
pub(super) async fn opened<'letters>(
    transaction: &DatabaseTransaction,
    letters: &'letters [Letter],
) -> Result<Vec<&'letters Letter>, Fault> {
    let before = lock(transaction, letters.iter().map(|letter| letter.row.id)).await?;
    // One statement must not name a row twice (PostgreSQL error 21000); the last word counts.
    let by_id: BTreeMap<_, _> = letters.iter().map(|letter| (letter.row.id, letter)).collect();
    let attempts = by_id.iter().map(|(id, letter)| (*id, letter.attempts(before.get(id))));
    let mut attempts: BTreeMap<Uuid, Vec<dead_letter_attempt::Model>> = attempts.collect();
    let known = known(transaction, attempts.values().flatten().map(|attempt| attempt.id).collect()).await?;
    attempts.retain(|_, tries| tries.last().is_some_and(|last| !known.contains(&last.id)));
    if attempts.is_empty() {
        return Ok(Vec::new());
    }

    let new = attempts.values().flatten().filter(|attempt| !known.contains(&attempt.id)).cloned();
    let new: Vec<_> = new.map(dead_letter_attempt::Model::into_active_model).collect();
    let expected = new.len() as u64;
    let inserted = dead_letter_attempt::Entity::insert_many(new)
        .on_conflict(OnConflict::column(dead_letter_attempt::Column::Id).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    if inserted != expected {
        // Another worker has the same delivery.
        return Err(Fault::Contention);
    }
    let failed: Vec<_> = attempts.keys().filter_map(|id| by_id.get(id).copied()).collect();
    // As long as its letter says in which.
    failed_again(transaction, attempts.into_keys().collect()).await?;
    dead_letter::Entity::insert_many(failed.iter().map(|letter| letter.row.clone().into_active_model()))
        .on_conflict(once_more())
        .exec_without_returning(transaction)
        .await?;
    Ok(failed)
}

/// Which of these failures are written down.
async fn known(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<BTreeSet<Uuid>, DbErr> {
    use dead_letter_attempt::Column::Id;
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let select = dead_letter_attempt::Entity::find().select_only().column(Id).filter(Id.is_in(ids));
    let known: Vec<Uuid> = select.into_tuple().all(transaction).await?;
    Ok(known.into_iter().collect())
}

/// What a letter that is there already takes from the new one. Its payload and where it came from stay, and so does who had
/// discarded it, and why.
fn once_more() -> OnConflict {
    use dead_letter::Column::{
        Attempts, Class, Code, Fingerprint, Id, JobId, LastSeenAt, Message, SettledAt, State, Version, Worker,
    };
    let newer = [Class, Code, Fingerprint, LastSeenAt, Message, Version, Worker, State];
    let unsettled = [SettledAt, JobId];
    let excluded = Expr::col((Alias::new("excluded"), Attempts));
    OnConflict::column(Id)
        .update_columns(newer.into_iter().chain(unsettled))
        .value(Attempts, Expr::col((dead_letter::Entity, Attempts)).add(excluded))
        .to_owned()
}

async fn failed_again(transaction: &DatabaseTransaction, letters: Vec<Uuid>) -> Result<(), DbErr> {
    use replay_job_letter::Column::{SettledAt, State};
    replay_job_letter::Entity::update_many()
        .col_expr(State, Expr::value(JobLetterState::Failed))
        .col_expr(SettledAt, Expr::value(clock::now()))
        .filter(in_its_job(letters))
        .exec(transaction)
        .await
        .map(drop)
}

/// The places of letters in the jobs that they are under way in, and in no other.
fn in_its_job(ids: Vec<Uuid>) -> Condition {
    use replay_job_letter::Column::{JobId, LetterId, State};
    let same = |column: dead_letter::Column, other: SimpleExpr| column.into_simple_expr().eq(other);
    let under_way = Query::select()
        .expr(Expr::val(1))
        .from(dead_letter::Entity)
        .and_where(same(dead_letter::Column::Id, LetterId.into_simple_expr()))
        .and_where(same(dead_letter::Column::JobId, JobId.into_simple_expr()))
        .and_where(dead_letter::Column::State.eq(LetterState::Replaying))
        .to_owned();
    Condition::all()
        .add(LetterId.is_in(ids))
        .add(State.is_in(JobLetterState::UNDER_WAY))
        .add(Expr::exists(under_way))
}
