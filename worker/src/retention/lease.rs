//! Which worker forgets: the one that has the lease. A step renews it in its own transaction, so that who has lost it forgets nothing;
//! and it ends by itself, so that nobody has to take it from the dead. No connection is pinned to it, unlike to an advisory lock.

use std::time::Duration;

use careq_shared::entities::lease::{Column, Entity, Model};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
};

use super::clock::Clock;
use super::step::{in_time, said};
use crate::lane::Lane;

const NAME: &str = "retention";

/// Longer than a step takes, and the pause behind it.
const LEASE: Duration = Duration::from_secs(15);

/// This worker's, until it ends.
#[derive(Debug)]
pub(super) struct Lease {
    ends_at: DateTime<Utc>,
    /// By which it ends.
    pub(super) clock: Clock,
}

/// Takes the lease, if it is over or was never taken.
pub(super) async fn take(lane: &Lane) -> Result<Option<Lease>, String> {
    let clock = in_time(Clock::read(&lane.database)).await?.map_err(said)?;
    let ends_at = clock.in_some(LEASE);
    let row = Model { name: NAME.to_owned(), worker: lane.settings.name.clone(), ends_at };
    let over = OnConflict::column(Column::Name)
        .update_columns([Column::Worker, Column::EndsAt])
        .action_and_where(Expr::col((Entity, Column::EndsAt)).lte(clock.now()))
        .to_owned();
    let insert = Entity::insert(row.into_active_model()).on_conflict(over);
    match in_time(insert.exec_without_returning(&lane.database)).await? {
        Ok(0) | Err(DbErr::RecordNotInserted) => Ok(None),
        Ok(_) => Ok(Some(Lease { ends_at, clock })),
        Err(fault) => Err(said(fault)),
    }
}

impl Lease {
    /// The lease renewed, as far as this transaction is committed; nothing if another worker has it.
    pub(super) async fn renewed(&self, database: &impl ConnectionTrait) -> Result<Option<Self>, DbErr> {
        self.until(database, self.clock.in_some(LEASE)).await
    }

    /// Lets nobody look again for so long. Should that fail, another may when the lease is over.
    pub(super) async fn keep_for(self, lane: &Lane, duration: Duration) {
        in_time(self.until(&lane.database, self.clock.in_some(duration))).await.map(drop).unwrap_or_default();
    }

    async fn until(
        &self,
        database: &impl ConnectionTrait,
        ends_at: DateTime<Utc>,
    ) -> Result<Option<Self>, DbErr> {
        let update = Entity::update_many()
            .col_expr(Column::EndsAt, Expr::value(ends_at))
            .filter(Column::Name.eq(NAME))
            // To the microsecond, with its random part: nobody else's ends then.
            .filter(Column::EndsAt.eq(self.ends_at));
        let renewed = update.exec(database).await?;
        Ok((renewed.rows_affected == 1).then_some(Self { ends_at, clock: self.clock }))
    }
}
