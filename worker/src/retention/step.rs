//! A step: a page of a table's oldest rows is examined, and those that can be deleted are deleted, in one short transaction that waits for
//! no lock of live traffic.

use std::time::{Duration, Instant};

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::{config, database};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait,
    IntoSimpleExpr, Iterable as _, PrimaryKeyToColumn, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _, TryGetable, Value,
};
use tokio::time::timeout;

use super::lease;
use crate::context::{Context, Stopped};
use crate::fault::Fault;
use crate::observe;

/// Maximum number of children that a step deletes.
const MAX_CHILDREN: u64 = 5_000;

/// Number of rows that the first step of a scan examines. The next step examines twice as many after a quick step, and half as many,
/// but not fewer than these, after a slow one: rows differ in size, and SQLite has one writer and no statement timeout.
const MIN_ROWS: u64 = 20;

/// A quick step takes less.
const QUICK: Duration = Duration::from_millis(500);

/// A step that takes longer is aborted, and the scan of its table with it.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Server-side limit, so that a statement does not outlive its client.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than a step and the pause after it.
const LEASE: Duration = Duration::from_secs(15);

/// Pause after a step, as a multiple of its duration: retention uses a fifth of one connection.
const PAUSE_TIMES: u32 = 4;

/// Minimum and maximum pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Retention rule of a table.
pub(super) struct Rule<E: EntityTrait> {
    /// Table name in the metric.
    pub(super) table: &'static str,
    /// The time from which the retention period counts, or an earlier one with an index.
    pub(super) at: E::Column,
    /// Orders rows of the same time.
    pub(super) key: E::Column,
    /// Maximum number of rows that a step examines.
    pub(super) max_rows: u64,
    /// Which of the rows older than this can be deleted.
    pub(super) due: fn(DateTime<Utc>) -> Condition,
    /// Whether live traffic may hold a row. A lock needs the privilege UPDATE, which the role may lack for the audit log.
    pub(super) locks: bool,
    /// Rows of another table that are deleted before their row, since they may be many.
    pub(super) children: Option<Children>,
    /// A statement after each deletion.
    pub(super) then: Option<&'static str>,
}

/// Rows that belong to rows of another table.
pub(super) struct Children {
    pub(super) table: &'static str,
    /// The primary key.
    pub(super) key: [&'static str; 2],
    /// The column that names the row of the other table.
    pub(super) parent: &'static str,
}

/// Why a scan was aborted.
#[derive(Debug)]
pub(super) enum Ended {
    /// The process stops.
    Stopped,
    /// Another worker has the lease.
    Lost,
}

/// Deletes the rows of a table that are older than so many days; returns their number. A failure ends the scan of this table only.
pub(super) async fn every<E: EntityTrait, K>(
    context: &Context,
    keep_days: u32,
    rule: Rule<E>,
) -> Result<u64, Ended>
where
    K: TryGetable + Clone + Into<Value> + Send,
{
    let Some(keep_for) = config::days(keep_days) else { return Ok(0) };
    let (mut after, mut deleted) = (None, 0);
    let mut rows = MIN_ROWS.min(rule.max_rows);
    loop {
        let began_at = Instant::now();
        let step = timeout(DEADLINE, step::<E, K>(context, &rule, rows, keep_for, after.clone()));
        let step = context.shutdown.run_until_cancelled(step).await.ok_or(Ended::Stopped)?;
        let done = match step.unwrap_or(Err(Fault::TimedOut)) {
            Ok(done) => done.ok_or(Ended::Lost)?,
            Err(fault) => {
                log(fault);
                return Ok(deleted);
            }
        };
        observe::pruned(rule.table, done.deleted);
        deleted += done.deleted;
        if !done.has_more_children {
            if done.last.is_none() {
                return Ok(deleted);
            }
            after = done.last;
        }
        let took = began_at.elapsed();
        let next = if took < QUICK { rows * 2 } else { rows / 2 };
        rows = next.max(MIN_ROWS).min(rule.max_rows);
        let pause = (took * PAUSE_TIMES).clamp(PAUSES.0, PAUSES.1);
        context.pause(pause).await.map_err(|Stopped| Ended::Stopped)?;
    }
}

fn log(fault: Fault) {
    let reason = match fault {
        Fault::Contention => "another process was at the same rows".to_owned(),
        Fault::TimedOut => "the database did not answer in time".to_owned(),
        Fault::Infrastructure(fault) | Fault::Event(fault) => fault.message,
    };
    tracing::warn!(reason, "old rows cannot be deleted now; trying again with the next scan");
}

/// Result of a step.
struct Step<K> {
    deleted: u64,
    /// Time and key of the page's last row; `None` if no page follows.
    last: Option<(DateTime<Utc>, K)>,
    /// The next step continues with the children of the same rows.
    has_more_children: bool,
}

/// The transaction; `None` if another worker has the lease.
async fn step<E: EntityTrait, K>(
    context: &Context,
    rule: &Rule<E>,
    rows: u64,
    keep_for: Duration,
    after: Option<(DateTime<Utc>, K)>,
) -> Result<Option<Step<K>>, Fault>
where
    K: TryGetable + Clone + Into<Value>,
{
    let transaction = database::begin_write(&context.database).await?;
    database::end_statements_after(&transaction, STATEMENT_TIMEOUT).await?;
    let Some(now) = lease::hold(&transaction, &context.settings.name, LEASE).await? else { return Ok(None) };
    let before = now - keep_for;

    let columns = [rule.at, rule.key];
    let row = || Expr::tuple(columns.map(IntoSimpleExpr::into_simple_expr));
    let place = |(at, key): (DateTime<Utc>, K)| Expr::tuple([Expr::value(at), Expr::value(key)]);
    let behind = Condition::all().add_option(after.map(|after| row().gt(place(after))));
    let old = behind.add(rule.at.lt(before));
    let last = E::find().select_only().columns(columns).filter(old.clone());
    let last = last.order_by_asc(rule.at).order_by_asc(rule.key).offset(rows - 1).limit(1);
    let last: Option<(DateTime<Utc>, K)> = last.into_tuple().one(&transaction).await?;

    let page = old.add_option(last.clone().map(|last| row().lte(place(last))));
    let key = || E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    let mut due = E::find()
        .select_only()
        .columns(key())
        .filter(page.add((rule.due)(before)))
        // For the planner: the page has no more rows.
        .limit(rows)
        .into_query();
    if rule.locks {
        due.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    if let Some(children) = &rule.children
        && delete_children(&transaction, children, due.clone()).await? == MAX_CHILDREN
    {
        transaction.commit().await?;
        return Ok(Some(Step { deleted: 0, last: None, has_more_children: true }));
    }
    let these = Expr::tuple(key().map(IntoSimpleExpr::into_simple_expr)).in_subquery(due);
    let deleted = E::delete_many().filter(these).exec(&transaction).await?.rows_affected;
    if let Some(then) = rule.then.filter(|_| deleted > 0) {
        transaction.execute_unprepared(then).await?;
    }
    crash_point::reached(CrashPoint::Deleted);
    transaction.commit().await?;
    Ok(Some(Step { deleted, last, has_more_children: false }))
}

async fn delete_children(
    transaction: &DatabaseTransaction,
    children: &Children,
    parents: SelectStatement,
) -> Result<u64, DbErr> {
    let key = children.key.map(Alias::new);
    let these = Query::select()
        .columns(key.clone())
        .from(Alias::new(children.table))
        .and_where(Expr::col(Alias::new(children.parent)).in_subquery(parents))
        .limit(MAX_CHILDREN)
        .to_owned();
    let delete = Query::delete()
        .from_table(Alias::new(children.table))
        .and_where(Expr::tuple(key.map(|column| Expr::col(column).into())).in_subquery(these))
        .to_owned();
    let statement = transaction.get_database_backend().build(&delete);
    Ok(transaction.execute(statement).await?.rows_affected())
}
