//! The statements that change dead letters and their places in replay jobs. Lock order: dead letters by id, then jobs.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::clock;
use careq_shared::dead_letters::{DeadLetterState, letter_id};
use careq_shared::entities::{dead_letter, dead_letter_attempt, event, replay_job_letter};
use careq_shared::replay::JobLetterState;
use sea_orm::sea_query::{
    Alias, CaseStatement, Expr, ExprTrait as _, LockType, OnConflict, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _,
    IntoSimpleExpr as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::row::{Before, DeadLetter, LetterUpdates};
use crate::db::bounds::{self, MAX_STATEMENT};
use crate::fault::Fault;

/// Writes the changes of a transaction; returns the dead letters that were recorded.
pub(crate) async fn changes<'letters>(
    transaction: &DatabaseTransaction,
    updates: &LetterUpdates,
    letters: &'letters [DeadLetter],
) -> Result<Vec<&'letters DeadLetter>, Fault> {
    let LetterUpdates { resolved, under_way } = updates;
    let changed = [ids(resolved), ids(under_way)].concat();
    lock(transaction, changed.into_iter().chain(letters.iter().map(|letter| letter.row.id))).await?;
    if !resolved.is_empty() {
        resolve(transaction, ids(resolved)).await?;
    }
    if !under_way.is_empty() {
        set_under_way(transaction, ids(under_way)).await?;
    }
    record(transaction, letters).await
}

/// Locks existing dead letters in the order of their ids and returns their states.
async fn lock(
    transaction: &DatabaseTransaction,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, Before>, DbErr> {
    use dead_letter::Column::{Attempts, Id, JobId, SettledAt, State};
    let ids: BTreeSet<_> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let select = dead_letter::Entity::find()
        .select_only()
        .columns([Id, State, JobId, SettledAt, Attempts])
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
        .col_expr(State, Expr::value(DeadLetterState::Resolved))
        .col_expr(SettledAt, Expr::value(now))
        .filter(Id.is_in(ids.clone()))
        .filter(State.is_in([DeadLetterState::Open, DeadLetterState::Replaying]))
        .filter(is_settled(&["created", "updated", "unchanged"]))
        .exec(transaction)
        .await?;
    if resolved.rows_affected == 0 {
        return Ok(());
    }
    // Also in jobs that have not reached them yet.
    replay_job_letter::Entity::update_many()
        .col_expr(replay_job_letter::Column::State, Expr::value(JobLetterState::Resolved))
        .col_expr(replay_job_letter::Column::SettledAt, Expr::value(now))
        .filter(replay_job_letter::Column::LetterId.in_subquery(ids_in_state(ids, DeadLetterState::Resolved)))
        .filter(replay_job_letter::Column::State.is_in(JobLetterState::UNDER_WAY))
        .exec(transaction)
        .await
        .map(drop)
}

async fn set_under_way(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<(), DbErr> {
    use dead_letter::Column::{Id, State};
    dead_letter::Entity::update_many()
        .col_expr(State, Expr::value(DeadLetterState::Replaying))
        .filter(Id.is_in(ids.clone()))
        .filter(State.eq(DeadLetterState::Open))
        .filter(is_settled(&["waiting", "retrying"]))
        .exec(transaction)
        .await?;
    replay_job_letter::Entity::update_many()
        .col_expr(replay_job_letter::Column::State, Expr::value(JobLetterState::Waiting))
        .filter(in_its_job(ids))
        .exec(transaction)
        .await
        .map(drop)
}

/// Condition on dead letters: the event has one of these outcomes in the ledger, by the failed delivery or a later one.
pub(super) fn is_settled(outcomes: &[&str]) -> SimpleExpr {
    use dead_letter::Column::{AcceptedAt, EventId};
    let column = |column: event::Column| column.into_simple_expr();
    let is_later = column(event::Column::AcceptedAt).gte(AcceptedAt.into_simple_expr());
    let settled = Query::select()
        .expr(Expr::val(1))
        .from(event::Entity)
        .and_where(column(event::Column::EventId).eq(EventId.into_simple_expr()))
        .and_where(event::Column::Outcome.is_in(outcomes.iter().copied()))
        .and_where(AcceptedAt.is_null().or(is_later))
        // With OFFSET 0 PostgreSQL looks each event up instead of reading the whole ledger.
        .limit(1)
        .offset(0)
        .to_owned();
    Expr::exists(settled)
}

fn ids_in_state(ids: Vec<Uuid>, state: DeadLetterState) -> SelectStatement {
    use dead_letter::Column::{Id, State};
    Query::select()
        .column(Id)
        .from(dead_letter::Entity)
        .and_where(Id.is_in(ids))
        .and_where(State.eq(state))
        .to_owned()
}

/// Records dead letters; an existing one is opened again with one more failure. A duplicate of the failed delivery changes nothing.
/// Returns those that were recorded.
pub(super) async fn record<'letters>(
    transaction: &DatabaseTransaction,
    letters: &'letters [DeadLetter],
) -> Result<Vec<&'letters DeadLetter>, Fault> {
    let before = lock(transaction, letters.iter().map(|letter| letter.row.id)).await?;
    // One statement must not name a row twice (PostgreSQL error 21000); the last one counts.
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
        // Another worker records the same delivery.
        return Err(Fault::Contention);
    }
    let failed: Vec<_> = attempts.keys().filter_map(|id| by_id.get(id).copied()).collect();
    // Before the dead letters lose the id of their job.
    failed_again(transaction, attempts.into_keys().collect()).await?;
    for part in bounds::parts(&failed, failed.len(), MAX_STATEMENT) {
        dead_letter::Entity::insert_many(part.iter().map(|letter| letter.row.clone().into_active_model()))
            .on_conflict(once_more())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(failed)
}

/// Ids of the attempts that are stored already.
async fn known(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<BTreeSet<Uuid>, DbErr> {
    use dead_letter_attempt::Column::Id;
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let select = dead_letter_attempt::Entity::find().select_only().column(Id).filter(Id.is_in(ids));
    let known: Vec<Uuid> = select.into_tuple().all(transaction).await?;
    Ok(known.into_iter().collect())
}

/// Columns that an existing dead letter takes from the new one. Origin, and author and reason of a former discard, stay.
fn once_more() -> OnConflict {
    use dead_letter::Column::{
        AcceptedAt, Attempts, Class, Code, Fingerprint, Id, JobId, LastSeenAt, Message, Payload, SettledAt,
        State, Version, WaitingCareqId, WaitingKind, Worker,
    };
    let newer = [Class, Code, Fingerprint, LastSeenAt, Message, Version, Worker, State];
    let unsettled = [SettledAt, JobId, WaitingKind, WaitingCareqId];
    let excluded = |column| Expr::col((Alias::new("excluded"), column));
    let stored = |column| Expr::col((dead_letter::Entity, column));
    // A replay applies the latest delivery of an event that may come again.
    let is_later = stored(AcceptedAt).is_null().or(stored(AcceptedAt).lt(excluded(AcceptedAt)));
    let is_later = excluded(AcceptedAt).is_not_null().and(is_later);
    let latest =
        |column| CaseStatement::new().case(is_later.clone(), excluded(column)).finally(stored(column));
    OnConflict::column(Id)
        .update_columns(newer.into_iter().chain(unsettled))
        .value(Attempts, stored(Attempts).add(excluded(Attempts)))
        .value(AcceptedAt, latest(AcceptedAt))
        .value(Payload, latest(Payload))
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

/// Condition on job places: the dead letter is being replayed by that job.
fn in_its_job(ids: Vec<Uuid>) -> Condition {
    use replay_job_letter::Column::{JobId, LetterId, State};
    let same = |column: dead_letter::Column, other: SimpleExpr| column.into_simple_expr().eq(other);
    let under_way = Query::select()
        .expr(Expr::val(1))
        .from(dead_letter::Entity)
        .and_where(same(dead_letter::Column::Id, LetterId.into_simple_expr()))
        .and_where(same(dead_letter::Column::JobId, JobId.into_simple_expr()))
        .and_where(dead_letter::Column::State.eq(DeadLetterState::Replaying))
        .to_owned();
    Condition::all()
        .add(LetterId.is_in(ids))
        .add(State.is_in(JobLetterState::UNDER_WAY))
        .add(Expr::exists(under_way))
}
