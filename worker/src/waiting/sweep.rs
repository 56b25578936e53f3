//! The sweep: a periodic scan for parked events whose parent exists, ended parent timeouts, due retries, and dead letters whose events
//! have been stored. Normal operation does not depend on it.

use std::collections::VecDeque;
use std::convert::Infallible;

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

use super::parent_deadline::QueueWatch;
use super::{claim, search, unpark};
use crate::context::{Context, Stopped};
use crate::db::bounds;
use crate::db::retries::retry_within_limits;
use crate::db::scan_cursor::ScanCursor;
use crate::dead_letters::{late_parents, resolved};
use crate::observe;

/// Sweeps between two scans of open dead letters: each costs a look-up in the ledger, and few have been stored.
const SWEEPS_PER_DEAD_LETTER_SCAN: u64 = 20;

/// Maximum number of events whose timeout ends in one statement, so that it stays short with a million parked events.
const MAX_TIMED_OUT: u64 = 1_000;

/// Sweeps until the process stops.
pub(crate) async fn run(context: Context) {
    let Err(Stopped) = every_sweep(&context).await;
}

async fn every_sweep(context: &Context) -> Result<Infallible, Stopped> {
    let (mut events, mut open_letters) = (ScanCursor::default(), ScanCursor::default());
    let (mut late_parents, mut watch) = (ScanCursor::default(), QueueWatch::new());
    let mut sweeps = 0_u64;
    loop {
        context.pause(context.settings.sweep_interval).await?;
        if sweeps.is_multiple_of(SWEEPS_PER_DEAD_LETTER_SCAN) {
            resolve_dead_letters(context, &mut open_letters).await?;
        }
        watch.observe(context).await;
        park_again(context, &mut late_parents).await?;
        parked_events(context, &mut events).await?;
        sweeps += 1;
    }
}

async fn resolve_dead_letters(context: &Context, cursor: &mut ScanCursor<Uuid>) -> Result<(), Stopped> {
    match retry_within_limits(context, || resolved::resolve_page(context, cursor)).await? {
        Ok(next) => *cursor = next,
        Err(fault) => tracing::error!(fault.message, "letters cannot be looked through"),
    }
    Ok(())
}

/// Parks the events of dead letters whose missing parent has arrived.
async fn park_again(context: &Context, cursor: &mut ScanCursor<Uuid>) -> Result<(), Stopped> {
    match retry_within_limits(context, || late_parents::park_page(context, cursor)).await? {
        Ok(next) => *cursor = next,
        Err(fault) => tracing::error!(fault.message, "letters of missing parents cannot be looked through"),
    }
    Ok(())
}

async fn parked_events(context: &Context, cursor: &mut ScanCursor<String>) -> Result<(), Stopped> {
    match retry_within_limits(context, || with_parent(context, cursor)).await? {
        Ok(next) => *cursor = next,
        Err(fault) => {
            tracing::error!(fault.message, "waiting events cannot be looked through");
            return Ok(());
        }
    }
    while !context.shutdown.is_cancelled() {
        end_timeouts(context).await?;
        let rows = match retry_within_limits(context, || due(context)).await? {
            Ok(rows) => rows,
            Err(fault) => {
                tracing::error!(fault.message, "events that are due cannot be read; trying again");
                return Ok(());
            }
        };
        // Events that were never tried go together, those that have failed alone.
        let (fresh, tried): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.attempts == 0);
        let mut taken = try_again(context, fresh).await?;
        for row in tried {
            taken |= try_again(context, vec![row]).await?;
        }
        // Due events that cannot be claimed do not stop the rest of the sweep.
        if !taken {
            return Ok(());
        }
    }
    Ok(())
}

async fn end_timeouts(context: &Context) -> Result<(), Stopped> {
    let Some(ended) = *context.parent_deadline.borrow() else { return Ok(()) };
    if let Err(fault) = retry_within_limits(context, || timed_out(context, ended)).await? {
        tracing::error!(
            fault.message,
            "events whose parent timeout has ended cannot be claimed; trying again"
        );
    }
    Ok(())
}

/// Makes parked events due whose parent exists, a page at a time.
async fn with_parent(context: &Context, cursor: &ScanCursor<String>) -> Result<ScanCursor<String>, DbErr> {
    let all = parked_event::Entity::find();
    let (part, next) = cursor.page(&context.database, all, parked_event::Column::EventId).await?;
    make_due(context, part.add(search::parked_with_parent())).await?;
    Ok(next)
}

/// Makes parked events due whose parent timeout has ended.
async fn timed_out(context: &Context, ended: DateTime<Utc>) -> Result<(), DbErr> {
    use parked_event::Column::{DueAt, EventId, WaitingKind};
    let timed_out = parked_event::Entity::find()
        .select_only()
        .column(EventId)
        .filter(WaitingKind.is_not_null())
        .filter(DueAt.lte(ended))
        .order_by_asc(DueAt)
        .limit(MAX_TIMED_OUT);
    make_due(context, Condition::all().add(EventId.in_subquery(timed_out.into_query()))).await
}

/// From here on the attempts are counted: an event may crash workers.
async fn make_due(context: &Context, events: Condition) -> Result<(), DbErr> {
    use parked_event::Column::{DueAt, WaitingCareqId, WaitingKind};
    parked_event::Entity::update_many()
        .col_expr(WaitingKind, Expr::value(Option::<String>::None))
        .col_expr(WaitingCareqId, Expr::value(Option::<i64>::None))
        .col_expr(DueAt, Expr::value(clock::now()))
        .filter(WaitingKind.is_not_null())
        .filter(events)
        .exec(&context.database)
        .await
        .map(drop)
}

/// Claims rows and processes them; returns whether any could be claimed.
async fn try_again(context: &Context, rows: Vec<parked_event::Model>) -> Result<bool, Stopped> {
    let mut parts = VecDeque::from([rows]);
    let mut taken = false;
    while let Some(mut rows) = parts.pop_front() {
        match retry_within_limits(context, || claim::claim(&context.database, &rows)).await? {
            Ok(ours) => {
                rows.retain(|row| ours.contains(&row.event_id));
                if !rows.is_empty() {
                    taken = true;
                    crash_point::reached(CrashPoint::Claimed);
                    observe::retried(rows.iter().filter(|row| row.attempts > 0).count());
                    unpark::rows(context, rows).await?;
                }
            }
            Err(_) if rows.len() > 1 => parts.extend(rows.into_iter().map(|row| vec![row])),
            Err(fault) => tracing::error!(fault.message, "a waiting event cannot be taken; trying again"),
        }
    }
    Ok(taken)
}

async fn due(context: &Context) -> Result<Vec<parked_event::Model>, DbErr> {
    use parked_event::Column::{DueAt, WaitingKind};
    let due = parked_event::Entity::find()
        .filter(WaitingKind.is_null())
        .filter(DueAt.lte(clock::now()))
        .limit(u64::try_from(context.settings.batch_size).unwrap_or(u64::MAX));
    let columns = parked_event::Column::iter();
    let first = bounds::first_rows(due.into_query(), columns, "event", &["due_at", "event_id"]);
    let statement = context.database.get_database_backend().build(&first);
    parked_event::Entity::find().from_raw_sql(statement).all(&context.database).await
}
