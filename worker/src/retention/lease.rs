//! The lease of retention: one worker at a time. A step renews it in its own transaction, so a worker that lost it deletes nothing. It
//! ends by itself and, unlike an advisory lock, pins no connection.

use std::time::Duration;

use careq_shared::entities::lease::{Column, Entity, Model};
use careq_shared::ignore;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
};

use super::clock::Clock;
use super::deadline::{in_time, sentence};
use crate::context::Context;

const NAME: &str = "retention";

/// Longer than a step and the pause after it.
const LEASE: Duration = Duration::from_secs(15);

/// The lease of this worker.
#[derive(Debug)]
pub(super) struct Lease {
    ends_at: DateTime<Utc>,
    /// The clock of its end.
    pub(super) clock: Clock,
}

/// Takes the lease if it has ended or was never taken.
pub(super) async fn take(context: &Context) -> Result<Option<Lease>, String> {
    let clock = in_time(Clock::read(&context.database)).await?.map_err(sentence)?;
    let ends_at = clock.in_some(LEASE);
    let row = Model { name: NAME.to_owned(), worker: context.settings.name.clone(), ends_at };
    let over = OnConflict::column(Column::Name)
        .update_columns([Column::Worker, Column::EndsAt])
        .action_and_where(Expr::col((Entity, Column::EndsAt)).lte(clock.now()))
        .to_owned();
    let insert = Entity::insert(row.into_active_model()).on_conflict(over);
    match in_time(insert.exec_without_returning(&context.database)).await? {
        Ok(0) | Err(DbErr::RecordNotInserted) => Ok(None),
        Ok(_) => Ok(Some(Lease { ends_at, clock })),
        Err(fault) => Err(sentence(fault)),
    }
}

impl Lease {
    /// Renews the lease with this transaction; `None` if another worker has it.
    pub(super) async fn renewed(&self, database: &impl ConnectionTrait) -> Result<Option<Self>, DbErr> {
        self.until(database, self.clock.in_some(LEASE)).await
    }

    /// Keeps the lease for the time until the next scan.
    pub(super) async fn keep_for(self, context: &Context, duration: Duration) {
        let kept = in_time(self.until(&context.database, self.clock.in_some(duration))).await;
        ignore(kept, "another worker may scan when the lease ends");
    }

    async fn until(
        &self,
        database: &impl ConnectionTrait,
        ends_at: DateTime<Utc>,
    ) -> Result<Option<Self>, DbErr> {
        let update = Entity::update_many()
            .col_expr(Column::EndsAt, Expr::value(ends_at))
            .filter(Column::Name.eq(NAME))
            // The lease has a random part of microseconds: no other worker's lease ends at the same time.
            .filter(Column::EndsAt.eq(self.ends_at));
        let renewed = update.exec(database).await?;
        Ok((renewed.rows_affected == 1).then_some(Self { ends_at, clock: self.clock }))
    }
}
