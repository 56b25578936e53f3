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

/// Number of rows that the first step of a scan examines, and the minimum of later steps, unless `max_rows` is less. The number of rows
/// doubles after a quick step and halves after a slow one, because rows differ in size. SQLite has one writer and no statement timeout.
const MIN_ROWS: u64 = 20;

/// A step that takes less than this is quick.
const QUICK: Duration = Duration::from_millis(500);

/// A step that takes longer is aborted, and the scan of its table with it.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Server-side limit, so that a statement does not outlive its client.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than a step and the pause after it.
const LEASE: Duration = Duration::from_secs(15);

/// Pause after a step, as a multiple of its duration: one fifth load for steps up to 500 ms. [`PAUSES`] limits it.
const PAUSE_TIMES: u32 = 4;

/// Minimum and maximum pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Retention rule of a table.
pub(super) struct Rule<E: EntityTrait> {
    /// Table name in the metric.
    pub(super) table: &'static str,
    /// Indexed time that orders the scan. It is the start of the retention period or earlier; if earlier, `due` checks the exact start.
    pub(super) at: E::Column,
    /// Orders rows of the same time.
    pub(super) key: E::Column,
    /// Maximum number of rows that a step examines.
    pub(super) max_rows: u64,
    /// Which of the rows older than this can be deleted.
    pub(super) due: fn(DateTime<Utc>) -> Condition,
    /// Whether rows are locked with SKIP LOCKED. False for the audit log, where the role may lack UPDATE.
    pub(super) skip_locked: bool,
    /// Rows of another table that are deleted before their row, since they may be many.
    pub(super) children: Option<Children>,
    /// SQL that runs in the same transaction if rows were deleted.
    pub(super) after_deletion: Option<&'static str>,
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

/// Deletes the due rows of a table that are older than `keep_days`. Zero keeps all rows. Returns the number of deleted rows. A failure ends
/// the scan of this table only.
pub(super) async fn delete_old_rows<E: EntityTrait, K>(
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
                log_failed_step(fault);
                return Ok(deleted);
            }
        };
        observe::pruned(rule.table, done.deleted);
        deleted += done.deleted;
        match done.next {
            Next::SamePage => {}
            Next::PageAfter(position) => after = Some(position),
            Next::End => return Ok(deleted),
        }
        let took = began_at.elapsed();
        let next = if took < QUICK { rows * 2 } else { rows / 2 };
        rows = next.max(MIN_ROWS).min(rule.max_rows);
        let pause = (took * PAUSE_TIMES).clamp(PAUSES.0, PAUSES.1);
        context.pause(pause).await.map_err(|Stopped| Ended::Stopped)?;
    }
}

fn log_failed_step(fault: Fault) {
    let reason = match fault {
        Fault::Contention => "another transaction used the same rows".to_owned(),
        Fault::TimedOut => "the database did not answer in time".to_owned(),
        Fault::Infrastructure(fault) | Fault::Event(fault) => fault.message,
    };
    tracing::warn!(reason, "old rows cannot be deleted now; trying again with the next scan");
}

/// Time and key of a row.
type Position<K> = (DateTime<Utc>, K);

/// Result of a step.
struct Step<K> {
    deleted: u64,
    next: Next<K>,
}

/// Page that the next step examines.
enum Next<K> {
    /// A page from the same position: its rows may have more children than one step deletes.
    SamePage,
    /// The page after this position, which is that of the last row examined.
    PageAfter(Position<K>),
    /// None: every old row was examined.
    End,
}

/// The transaction; `None` if another worker has the lease.
async fn step<E: EntityTrait, K>(
    context: &Context,
    rule: &Rule<E>,
    rows: u64,
    keep_for: Duration,
    after: Option<Position<K>>,
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
    let position = |(at, key): Position<K>| Expr::tuple([Expr::value(at), Expr::value(key)]);
    let after_cursor = Condition::all().add_option(after.map(|after| row().gt(position(after))));
    let old = after_cursor.add(rule.at.lt(before));
    let select_last = E::find().select_only().columns(columns).filter(old.clone());
    let select_last = select_last.order_by_asc(rule.at).order_by_asc(rule.key).offset(rows - 1).limit(1);
    let last_of_page: Option<Position<K>> = select_last.into_tuple().one(&transaction).await?;

    let page = old.add_option(last_of_page.clone().map(|last| row().lte(position(last))));
    let key = || E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    let mut due = E::find()
        .select_only()
        .columns(key())
        .filter(page.add((rule.due)(before)))
        // For the planner: the page has no more rows.
        .limit(rows)
        .into_query();
    if rule.skip_locked {
        due.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    if let Some(children) = &rule.children
        && delete_children(&transaction, children, due.clone()).await? == MAX_CHILDREN
    {
        transaction.commit().await?;
        return Ok(Some(Step { deleted: 0, next: Next::SamePage }));
    }
    let these = Expr::tuple(key().map(IntoSimpleExpr::into_simple_expr)).in_subquery(due);
    let deleted = E::delete_many().filter(these).exec(&transaction).await?.rows_affected;
    if let Some(sql) = rule.after_deletion.filter(|_| deleted > 0) {
        transaction.execute_unprepared(sql).await?;
    }
    crash_point::reached(CrashPoint::Deleted);
    transaction.commit().await?;
    Ok(Some(Step { deleted, next: last_of_page.map_or(Next::End, Next::PageAfter) }))
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
