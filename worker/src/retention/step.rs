//! A step: a page of a table's oldest rows is examined, and those that can be deleted are deleted, in one short transaction that waits for
//! no lock of live traffic.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::{config, database};
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, TryGetable, Value,
};
use uuid::Uuid;

use super::deadline::{in_time, sentence};
use super::lease::Lease;
use crate::context::{Context, Stopped};
use crate::observe;

/// Maximum number of rows of one table that a step examines, and that it deletes.
pub(super) const MAX_ROWS: u64 = 500;

/// Server-side limit, so that a statement does not outlive its client.
const STATEMENT_TIMEOUT: &str = "SET LOCAL statement_timeout = '5s'";

/// Pause after a step, as a multiple of its duration: retention uses a fifth of one connection.
const PAUSE_TIMES: u32 = 4;

/// Minimum and maximum pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Retention rule of a table.
pub(super) trait Rule {
    /// Table name in the metric.
    const TABLE: &'static str;
    /// Table whose rows are deleted with its own.
    const WITH: Option<&'static str> = None;

    /// Examines the rows of a page and deletes those that are due.
    fn step(
        transaction: &DatabaseTransaction,
        page: &Page,
    ) -> impl Future<Output = Result<Looked, DbErr>> + Send;
}

/// The rows of a step.
#[derive(Debug)]
pub(super) struct Page {
    /// Older than this.
    pub(super) before: DateTime<Utc>,
    /// After this; `None` at the beginning.
    after: Option<Place>,
}

/// Position of a row in the order of time.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) at: DateTime<Utc>,
    pub(super) id: Value,
}

impl Page {
    /// Condition of the page in the order of these columns.
    pub(super) fn condition<C: ColumnTrait>(&self, at: C, id: C) -> Condition {
        let old = Condition::all().add(at.lt(self.before));
        let Some(after) = &self.after else { return old };
        // An index on the time alone starts at the end of the last page.
        old.add(at.gte(after.at)).add(Condition::any().add(at.gt(after.at)).add(id.gt(after.id.clone())))
    }

    /// The ids of the page in the order of time, and the next page.
    pub(super) async fn ids<E, K>(
        &self,
        transaction: &DatabaseTransaction,
        rows: Select<E>,
        at: E::Column,
        id: E::Column,
    ) -> Result<(Vec<K>, Next), DbErr>
    where
        E: EntityTrait,
        K: TryGetable + Clone + Into<Value>,
    {
        let rows: Vec<(DateTime<Utc>, K)> = rows
            .select_only()
            .columns([at, id])
            .filter(self.condition(at, id))
            .order_by_asc(at)
            .order_by_asc(id)
            .limit(MAX_ROWS)
            .into_tuple()
            .all(transaction)
            .await?;
        let next = Next::behind(&rows, |(at, id)| Place { at: *at, id: id.clone().into() });
        Ok((rows.into_iter().map(|(_, id)| id).collect(), next))
    }
}

/// Result of a step.
#[derive(Debug)]
pub(super) struct Looked {
    /// Deleted rows of the table.
    pub(super) forgotten: u64,
    /// Deleted rows of the other table.
    pub(super) with: u64,
    pub(super) next: Next,
}

/// The next page.
#[derive(Debug)]
pub(super) enum Next {
    /// Starts after this row.
    Behind(Place),
    /// The same page: rows of the other table remain.
    Same,
    /// None.
    Nothing,
}

impl Next {
    /// After the last of these rows, or none if the page was not full.
    pub(super) fn behind<T>(rows: &[T], place: impl Fn(&T) -> Place) -> Self {
        match rows.last() {
            Some(last) if rows.len() as u64 >= MAX_ROWS => Self::Behind(place(last)),
            _ => Self::Nothing,
        }
    }
}

/// Condition: two columns are one of these pairs; `None` without pairs. SQLite has no lists of pairs.
pub(super) fn any_pair<C: ColumnTrait>(first: C, second: C, pairs: Vec<(Uuid, Uuid)>) -> Option<Condition> {
    let mut by_first: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for (one, other) in pairs {
        by_first.entry(one).or_default().push(other);
    }
    let any = by_first.into_iter().map(|(one, others)| first.eq(one).and(second.is_in(others)));
    any.fold(None, |any, pair| Some(any.unwrap_or_else(Condition::any).add(pair)))
}

/// Why a round was aborted.
#[derive(Debug)]
pub(super) enum Ended {
    /// The process stops.
    Stopped,
    /// Another worker has the lease.
    Lost,
    /// The database failed.
    Failed(String),
}

/// Examines all rows of a table that are older than so many days; returns the number of deleted rows.
pub(super) async fn every_step<R: Rule>(
    context: &Context,
    lease: &mut Lease,
    keep_days: u32,
) -> Result<u64, Ended> {
    let Some(keep_for) = config::days(keep_days) else { return Ok(0) };
    let mut page = Page { before: lease.clock.now() - keep_for, after: None };
    let mut forgotten = 0;
    loop {
        let began_at = Instant::now();
        let looked = one::<R>(context, lease, &page).await?;
        observe::pruned(R::TABLE, looked.forgotten);
        if let Some(table) = R::WITH {
            observe::pruned(table, looked.with);
        }
        forgotten += looked.forgotten;
        match looked.next {
            Next::Behind(place) => page.after = Some(place),
            Next::Same => {}
            Next::Nothing => return Ok(forgotten),
        }
        let pause = (began_at.elapsed() * PAUSE_TIMES).clamp(PAUSES.0, PAUSES.1);
        context.pause(pause).await.map_err(|Stopped| Ended::Stopped)?;
    }
}

async fn one<R: Rule>(context: &Context, lease: &mut Lease, page: &Page) -> Result<Looked, Ended> {
    let step = in_time(step::<R>(context, lease, page));
    let done = context.shutdown.run_until_cancelled(step).await.ok_or(Ended::Stopped)?;
    let done = done.map_err(Ended::Failed)?.map_err(|fault| Ended::Failed(sentence(fault)))?;
    let (renewed, looked) = done.ok_or(Ended::Lost)?;
    *lease = renewed;
    Ok(looked)
}

/// The transaction; `None` if another worker has the lease.
async fn step<R: Rule>(
    context: &Context,
    lease: &Lease,
    page: &Page,
) -> Result<Option<(Lease, Looked)>, DbErr> {
    let transaction = database::begin_write(&context.database).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(STATEMENT_TIMEOUT).await?;
    }
    let Some(renewed) = lease.renewed(&transaction).await? else { return Ok(None) };
    let looked = R::step(&transaction, page).await?;
    crash_point::reached(CrashPoint::Forgotten);
    transaction.commit().await?;
    Ok(Some((renewed, looked)))
}
