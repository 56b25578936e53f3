//! The lease of retention: one worker at a time. Each deletion step renews the lease in the transaction that deletes, so a worker that
//! has lost it deletes nothing. It expires, so a dead worker blocks no other. Unlike an advisory lock, it pins no connection.

use std::time::Duration;

use careq_shared::clock::{self, whole_microseconds};
use careq_shared::entities::lease::{Column, Entity, Model};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait as _, IntoActiveModel as _, Statement};

const NAME: &str = "retention";

/// Takes or renews this worker's lease until `duration` from now; a duration of zero releases it. Returns the database's current time,
/// or `None` if another worker holds the lease.
pub(super) async fn hold(
    database: &impl ConnectionTrait,
    worker: &str,
    duration: Duration,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let now = now(database).await?;
    let ends_at = whole_microseconds(now + duration);
    let row = Model { name: NAME.to_owned(), worker: worker.to_owned(), ends_at };
    let lease_column = |column| Expr::col((Entity, column));
    let take_over_if_free = OnConflict::column(Column::Name)
        .update_columns([Column::Worker, Column::EndsAt])
        .action_and_where(lease_column(Column::EndsAt).lte(now).or(lease_column(Column::Worker).eq(worker)))
        .to_owned();
    let insert = Entity::insert(row.into_active_model()).on_conflict(take_over_if_free);
    match insert.exec_without_returning(database).await {
        Ok(0) | Err(DbErr::RecordNotInserted) => Ok(None),
        result => result.map(|_| Some(now)),
    }
}

/// The database's clock, which all workers share: a worker whose own clock is fast deletes no recent rows, and holds the lease no longer.
async fn now(database: &impl ConnectionTrait) -> Result<DateTime<Utc>, DbErr> {
    let backend = database.get_database_backend();
    if backend == DbBackend::Sqlite {
        // SQLite runs in this process, with this machine's clock.
        return Ok(clock::now());
    }
    let row = database.query_one(Statement::from_string(backend, "SELECT now()")).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?.try_get_by(0)
}
