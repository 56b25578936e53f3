//! The statements that change letters, and with them the replay jobs that they are under way in. Letters are always written before
//! jobs, so that those who lock both wait for each other in one order.

use std::collections::BTreeMap;

use careq_shared::clock;
use careq_shared::dead_letters::{LetterState, letter_id};
use careq_shared::entities::{dead_letter, dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use sea_orm::sea_query::{Alias, Expr, OnConflict, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _,
    IntoSimpleExpr as _, QueryFilter as _,
};
use uuid::Uuid;

use super::{Followed, Letter};
use crate::working_set::WorkingSet;

/// Writes what the batch has done to letters.
pub(crate) async fn changes(transaction: &DatabaseTransaction, set: &WorkingSet) -> Result<(), DbErr> {
    let Followed { resolved, under_way } = &set.followed;
    if !resolved.is_empty() {
        resolve(transaction, ids(resolved)).await?;
    }
    if !under_way.is_empty() {
        set_under_way(transaction, ids(under_way)).await?;
    }
    opened(transaction, &set.dead_letters).await
}

fn ids(event_ids: &[String]) -> Vec<Uuid> {
    event_ids.iter().map(|event_id| letter_id(event_id)).collect()
}

async fn resolve(transaction: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<(), DbErr> {
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

/// Writes letters that need a person; a letter that is there already is opened again, with one more failure.
pub(super) async fn opened(transaction: &DatabaseTransaction, letters: &[Letter]) -> Result<(), DbErr> {
    if letters.is_empty() {
        return Ok(());
    }
    failed_again(transaction, letters).await?;
    // One statement must not name a row twice (PostgreSQL error 21000); the last word counts.
    let by_id: BTreeMap<_, _> = letters.iter().map(|letter| (letter.row.id, &letter.row)).collect();
    let rows = by_id.into_values().cloned().map(dead_letter::Model::into_active_model);
    dead_letter::Entity::insert_many(rows)
        .on_conflict(once_more())
        .exec_without_returning(transaction)
        .await?;
    let attempts = letters.iter().flat_map(Letter::attempts);
    dead_letter_attempt::Entity::insert_many(attempts.map(dead_letter_attempt::Model::into_active_model))
        .exec_without_returning(transaction)
        .await
        .map(drop)
}

/// What a letter that is there already takes from the new one. Its payload and where it came from stay.
fn once_more() -> OnConflict {
    use dead_letter::Column::{
        Attempts, AuditId, Class, Code, Fingerprint, Id, JobId, LastSeenAt, Message, Reason, SettledAt,
        State, Version, Worker,
    };
    let newer = [Class, Code, Fingerprint, LastSeenAt, Message, Version, Worker, State];
    let unsettled = [SettledAt, Reason, JobId, AuditId];
    let excluded = Expr::col((Alias::new("excluded"), Attempts));
    OnConflict::column(Id)
        .update_columns(newer.into_iter().chain(unsettled))
        .value(Attempts, Expr::col((dead_letter::Entity, Attempts)).add(excluded))
        .to_owned()
}

async fn failed_again(transaction: &DatabaseTransaction, letters: &[Letter]) -> Result<(), DbErr> {
    use replay_job_letter::Column::{SettledAt, State};
    replay_job_letter::Entity::update_many()
        .col_expr(State, Expr::value(JobLetterState::Failed))
        .col_expr(SettledAt, Expr::value(clock::now()))
        .filter(in_its_job(letters.iter().map(|letter| letter.row.id).collect()))
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
