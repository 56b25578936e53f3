//! The lease of retention: one worker at a time. A step renews it in its own transaction, so a worker that lost it deletes nothing. It
//! ends by itself and, unlike an advisory lock, pins no connection.

use std::time::Duration;

use careq_shared::clock::{self, whole_microseconds};
use careq_shared::entities::lease::{Column, Entity, Model};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait as _, IntoActiveModel as _, Statement};

const NAME: &str = "retention";

/// Takes or renews this worker's lease; returns the time, or `None` while another worker has the lease.
pub(super) async fn hold(
    database: &impl ConnectionTrait,
    worker: &str,
    duration: Duration,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let now = now(database).await?;
    let ends_at = whole_microseconds(now + duration);
    let row = Model { name: NAME.to_owned(), worker: worker.to_owned(), ends_at };
    let of_lease = |column| Expr::col((Entity, column));
    let unless_held = OnConflict::column(Column::Name)
        .update_columns([Column::Worker, Column::EndsAt])
        .action_and_where(of_lease(Column::EndsAt).lte(now).or(of_lease(Column::Worker).eq(worker)))
        .to_owned();
    let insert = Entity::insert(row.into_active_model()).on_conflict(unless_held);
    match insert.exec_without_returning(database).await {
        Ok(0) | Err(DbErr::RecordNotInserted) => Ok(None),
        held => held.map(|_| Some(now)),
    }
}

/// The database's clock, which all workers share: a worker whose own clock is ahead neither deletes recent rows nor keeps the lease.
async fn now(database: &impl ConnectionTrait) -> Result<DateTime<Utc>, DbErr> {
    let backend = database.get_database_backend();
    if backend == DbBackend::Sqlite {
        // SQLite has this machine's clock.
        return Ok(clock::now());
    }
    let row = database.query_one(Statement::from_string(backend, "SELECT now()")).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?.try_get_by(0)
}
