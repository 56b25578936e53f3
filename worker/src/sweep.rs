//! Looks through what waits, at a steady pace: the level below the wake-up, patience that is over, retries that are due,
//! letters whose events have gone through. It must never be what a normal wake-up depends on.

use std::collections::VecDeque;

use careq_shared::broker::Depths;
use careq_shared::clock;
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::entities::parked_event;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbErr, EntityTrait as _, Iterable as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use crate::attempt::attempt;
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::patience::Watch;
use crate::turn::Turn;
use crate::{bounds, dead_letters, observe, retry, wake};

/// Letters are looked through every so many sweeps: each open one costs a look into the ledger, and few have anything to learn.
const SWEEPS_PER_LOOK_AT_LETTERS: u64 = 20;

/// Most events whose patience ends at once, so that a statement stays short when a million were parked together.
const MAX_IMPATIENT: u64 = 1_000;

/// Sweeps until told to stop.
pub(crate) async fn run(lane: Lane, depths: Depths) {
    let (mut events, mut open_letters) = (Turn::<String>::default(), Turn::<Uuid>::default());
    let mut late_parents = Turn::<Uuid>::default();
    let mut watch = Watch::new(depths, lane.settings.parent_timeout, lane.settings.sweep_interval);
    for sweep in 0_u64.. {
        if lane.pause(lane.settings.sweep_interval).await.is_err() {
            return;
        }
        if sweep.is_multiple_of(SWEEPS_PER_LOOK_AT_LETTERS)
            && letters(&lane, &mut open_letters).await.is_err()
        {
            return;
        }
        watch.look(&lane.patience).await;
        if wait_again(&lane, &mut late_parents).await.is_err() || waiting(&lane, &mut events).await.is_err() {
            return;
        }
    }
}

async fn letters(lane: &Lane, turn: &mut Turn<Uuid>) -> Result<(), Stopped> {
    let followed =
        attempt(lane, || async { dead_letters::gone_through(lane, turn).await.map_err(Fault::from) });
    match followed.await? {
        Ok(next) => *turn = next,
        Err(fault) => tracing::error!(fault.message, "letters cannot be looked through"),
    }
    Ok(())
}

/// Letters of a missing parent that is here now.
async fn wait_again(lane: &Lane, turn: &mut Turn<Uuid>) -> Result<(), Stopped> {
    let parked = attempt(lane, || async { dead_letters::wait_again_beside_parents(lane, turn).await });
    match parked.await? {
        Ok(next) => *turn = next,
        Err(fault) => tracing::error!(fault.message, "letters of missing parents cannot be looked through"),
    }
    Ok(())
}

async fn waiting(lane: &Lane, turn: &mut Turn<String>) -> Result<(), Stopped> {
    let looked = attempt(lane, || async { beside_parents(lane, turn).await.map_err(Fault::from) });
    match looked.await? {
        Ok(next) => *turn = next,
        Err(fault) => {
            tracing::error!(fault.message, "waiting events cannot be looked through");
            return Ok(());
        }
    }
    while !lane.shutdown.is_cancelled() {
        end_patience(lane).await?;
        let rows =
            attempt(lane, || async { due(lane).await.map_err(Fault::from) }).await?.unwrap_or_default();
        // What was never tried goes together; what has failed before goes alone.
        let (fresh, tried): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.attempts == 0);
        let mut taken = try_again(lane, fresh).await?;
        for row in tried {
            taken |= try_again(lane, vec![row]).await?;
        }
        // What is due and cannot be taken must not keep the sweep from all else.
        if !taken {
            return Ok(());
        }
    }
    Ok(())
}

async fn end_patience(lane: &Lane) -> Result<(), Stopped> {
    let Some(ended) = lane.patience.ended() else { return Ok(()) };
    let made_due = attempt(lane, || async { out_of_patience(lane, ended).await.map_err(Fault::from) });
    if let Err(fault) = made_due.await? {
        tracing::error!(fault.message, "events whose patience is over cannot be taken; trying again");
    }
    Ok(())
}

/// Makes due what waits beside a parent that is here, whoever should have woken it: all of it, or, of very much, a part at a time.
async fn beside_parents(lane: &Lane, turn: &Turn<String>) -> Result<Turn<String>, DbErr> {
    let all = parked_event::Entity::find();
    let (part, next) = turn.part(&lane.database, all, parked_event::Column::EventId).await?;
    make_due(lane, part.add(wake::parked_beside_parent())).await?;
    Ok(next)
}

/// Makes due what has waited long enough.
async fn out_of_patience(lane: &Lane, ended: DateTime<Utc>) -> Result<(), DbErr> {
    use parked_event::Column::{DueAt, EventId, WaitingKind};
    let impatient = parked_event::Entity::find()
        .select_only()
        .column(EventId)
        .filter(WaitingKind.is_not_null())
        .filter(DueAt.lte(ended))
        .order_by_asc(DueAt)
        .limit(MAX_IMPATIENT);
    make_due(lane, Condition::all().add(EventId.in_subquery(impatient.into_query()))).await
}

/// From here on its attempts are counted: it may be what brings workers down.
async fn make_due(lane: &Lane, events: Condition) -> Result<(), DbErr> {
    use parked_event::Column::{DueAt, WaitingCareqId, WaitingKind};
    parked_event::Entity::update_many()
        .col_expr(WaitingKind, Expr::value(Option::<String>::None))
        .col_expr(WaitingCareqId, Expr::value(Option::<i64>::None))
        .col_expr(DueAt, Expr::value(clock::now()))
        .filter(WaitingKind.is_not_null())
        .filter(events)
        .exec(&lane.database)
        .await
        .map(drop)
}

/// Takes rows and settles them; whether any could be taken.
async fn try_again(lane: &Lane, rows: Vec<parked_event::Model>) -> Result<bool, Stopped> {
    let mut parts = VecDeque::from([rows]);
    let mut taken = false;
    while let Some(mut rows) = parts.pop_front() {
        let claimed =
            attempt(lane, || async { retry::claim(&lane.database, &rows).await.map_err(Fault::from) });
        match claimed.await? {
            Ok(ours) => {
                rows.retain(|row| ours.contains(&row.event_id));
                if !rows.is_empty() {
                    taken = true;
                    crash_point::reached(CrashPoint::Claimed);
                    observe::retried(rows.iter().filter(|row| row.attempts > 0).count());
                    wake::settle(lane, rows).await?;
                }
            }
            Err(_) if rows.len() > 1 => parts.extend(rows.into_iter().map(|row| vec![row])),
            Err(fault) => tracing::error!(fault.message, "a waiting event cannot be taken; trying again"),
        }
    }
    Ok(taken)
}

async fn due(lane: &Lane) -> Result<Vec<parked_event::Model>, DbErr> {
    use parked_event::Column::{DueAt, WaitingKind};
    let due = parked_event::Entity::find()
        .filter(WaitingKind.is_null())
        .filter(DueAt.lte(clock::now()))
        .limit(u64::try_from(lane.settings.batch_size).unwrap_or(u64::MAX));
    let columns = parked_event::Column::iter();
    let first = bounds::first_rows(due.into_query(), columns, "event", &["due_at", "event_id"]);
    let statement = lane.database.get_database_backend().build(&first);
    parked_event::Entity::find().from_raw_sql(statement).all(&lane.database).await
}
