//! Looks through what waits, at a steady pace: the level below the wake-up, patience that is over, retries that are due,
//! letters whose events have gone through. It must never be what a normal wake-up depends on.

use std::time::Duration;

use careq_shared::clock;
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::entities::parked_event;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::{dead_letters, observe, retry, transaction, wake};

/// Letters are looked through every so many sweeps: each open one costs a look into the ledger, and few have anything to learn.
const SWEEPS_PER_LOOK_AT_LETTERS: u64 = 20;

/// Sweeps until told to stop.
pub(crate) async fn run(lane: Lane) {
    for sweep in 0_u64.. {
        if lane.pause(lane.settings.sweep_every).await.is_err() {
            return;
        }
        if sweep.is_multiple_of(SWEEPS_PER_LOOK_AT_LETTERS) && letters(&lane).await.is_err() {
            return;
        }
        if waiting(&lane).await.is_err() {
            return;
        }
    }
}

async fn letters(lane: &Lane) -> Result<(), Stopped> {
    let followed =
        transaction::attempt(lane, || async { dead_letters::gone_through(lane).await.map_err(Fault::from) });
    if let Err(fault) = followed.await? {
        tracing::error!(fault.message, "letters cannot be looked through");
    }
    Ok(())
}

async fn waiting(lane: &Lane) -> Result<(), Stopped> {
    let look = transaction::attempt(lane, || async { make_due(lane).await.map_err(Fault::from) });
    if let Err(fault) = look.await? {
        tracing::error!(fault.message, "waiting events cannot be looked through");
        return Ok(());
    }
    loop {
        let due = transaction::attempt(lane, || async { due(lane).await.map_err(Fault::from) });
        let rows = due.await?.unwrap_or_default();
        if rows.is_empty() {
            return Ok(());
        }
        // What was never tried goes together; what has failed before goes alone.
        let (fresh, tried): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.attempts == 0);
        try_again(lane, &fresh).await?;
        for row in tried {
            try_again(lane, &[row]).await?;
        }
    }
}

/// Makes due what waits beside a parent that is here, whoever should have woken it, and what has waited long enough. From
/// here on its attempts are counted: it may be what brings workers down.
async fn make_due(lane: &Lane) -> Result<(), DbErr> {
    use parked_event::Column::{DueAt, WaitingCareqId, WaitingKind};
    let now = clock::now();
    parked_event::Entity::update_many()
        .col_expr(WaitingKind, Expr::value(Option::<String>::None))
        .col_expr(WaitingCareqId, Expr::value(Option::<i64>::None))
        .col_expr(DueAt, Expr::value(now))
        .filter(WaitingKind.is_not_null())
        .filter(wake::parent_is_here().add(DueAt.lte(now)))
        .exec(&lane.database)
        .await
        .map(drop)
}

async fn try_again(lane: &Lane, rows: &[parked_event::Model]) -> Result<(), Stopped> {
    let claimed = transaction::attempt(lane, || async {
        retry::claim(&lane.database, rows).await.map_err(Fault::from)
    });
    match claimed.await? {
        Ok(ours) => {
            if !ours.is_empty() {
                crash_point::reached(CrashPoint::Claimed);
                observe::retried(ours.iter().filter(|row| row.attempts > 0).count());
            }
            let wakes = wake::settle(lane, &ours).await?;
            wake::children(lane, wakes).await
        }
        Err(fault) => {
            tracing::error!(fault.message, "waiting events cannot be taken; trying again");
            lane.pause(Duration::from_secs(1)).await
        }
    }
}

async fn due(lane: &Lane) -> Result<Vec<parked_event::Model>, DbErr> {
    parked_event::Entity::find()
        .filter(parked_event::Column::WaitingKind.is_null())
        .filter(parked_event::Column::DueAt.lte(clock::now()))
        .order_by_asc(parked_event::Column::DueAt)
        .limit(u64::try_from(lane.settings.batch).unwrap_or(u64::MAX))
        .all(&lane.database)
        .await
}
