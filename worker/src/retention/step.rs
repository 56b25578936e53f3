//! A step: so many of a table's old rows are looked at, the oldest first, and those that may go are deleted, in one short
//! transaction. It must never wait for a lock that live traffic has, nor hold one for longer than that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::{config, database};
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, TryGetable, Value,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::lease::Lease;
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::observe;

/// Most rows of one table that a step looks at, and most that it deletes.
pub(super) const MAX_ROWS: u64 = 500;

/// A step that takes longer is given up, and the round with it.
const DEADLINE: Duration = Duration::from_secs(10);

/// The server's own part of that: it must not go on for a client that has given up.
const STATEMENT_TIMEOUT: &str = "SET LOCAL statement_timeout = '5s'";

/// A step is followed by a pause of so many times as long as it took: forgetting has a fifth of one connection.
const PAUSE_TIMES: u32 = 4;

/// At least, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// What of a table may be forgotten.
pub(super) trait Rule {
    /// Its name in the metric.
    const TABLE: &'static str;
    /// The table whose rows go with its own.
    const WITH: Option<&'static str> = None;

    /// Looks at the rows of a page, and deletes those that may go.
    fn step(
        transaction: &DatabaseTransaction,
        page: &Page,
    ) -> impl Future<Output = Result<Looked, DbErr>> + Send;
}

/// Which rows a step looks at.
#[derive(Debug)]
pub(super) struct Page {
    /// Older than this.
    pub(super) before: DateTime<Utc>,
    /// Behind this; nothing at the beginning.
    after: Option<Place>,
}

/// Where a row stands in the order of time.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) at: DateTime<Utc>,
    pub(super) id: Value,
}

impl Page {
    /// In a list by these two columns, the least first.
    pub(super) fn condition<C: ColumnTrait>(&self, at: C, id: C) -> Condition {
        let old = Condition::all().add(at.lt(self.before));
        let Some(after) = &self.after else { return old };
        // An index on the time alone begins where the last step ended.
        old.add(at.gte(after.at)).add(Condition::any().add(at.gt(after.at)).add(id.gt(after.id.clone())))
    }

    /// The ids of these rows on the page, in the order of their time, and what the next step looks at.
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

/// What a step has come to.
#[derive(Debug)]
pub(super) struct Looked {
    /// Rows of the table that are gone.
    pub(super) forgotten: u64,
    /// Rows that went with them.
    pub(super) with: u64,
    pub(super) next: Next,
}

/// What the next step looks at.
#[derive(Debug)]
pub(super) enum Next {
    /// What is behind this.
    Behind(Place),
    /// The same rows: there was too much that goes with them.
    Same,
    /// Nothing is left.
    Nothing,
}

impl Next {
    /// Behind the last of these rows, unless they were the last of all.
    pub(super) fn behind<T>(rows: &[T], place: impl Fn(&T) -> Place) -> Self {
        match rows.last() {
            Some(last) if rows.len() as u64 >= MAX_ROWS => Self::Behind(place(last)),
            _ => Self::Nothing,
        }
    }
}

/// The rows whose two columns are one of these pairs; nothing where there is none. SQLite knows no lists of pairs.
pub(super) fn any_pair<C: ColumnTrait>(first: C, second: C, pairs: Vec<(Uuid, Uuid)>) -> Option<Condition> {
    let mut by_first: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for (one, other) in pairs {
        by_first.entry(one).or_default().push(other);
    }
    let any = by_first.into_iter().map(|(one, others)| first.eq(one).and(second.is_in(others)));
    any.fold(None, |any, pair| Some(any.unwrap_or_else(Condition::any).add(pair)))
}

/// Why a round ended before its end.
#[derive(Debug)]
pub(super) enum Ended {
    /// The process was told to stop.
    Stopped,
    /// Another worker has the lease.
    Lost,
    /// The database cannot do it now.
    Failed(String),
}

/// Looks through all of a table that is older than so many days; how many rows are gone.
pub(super) async fn every_step<R: Rule>(
    lane: &Lane,
    lease: &mut Lease,
    keep_days: u32,
) -> Result<u64, Ended> {
    let Some(keep_for) = config::days(keep_days) else { return Ok(0) };
    let mut page = Page { before: lease.clock.now() - keep_for, after: None };
    let mut forgotten = 0;
    loop {
        let began_at = Instant::now();
        let looked = one::<R>(lane, lease, &page).await?;
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
        lane.pause(pause).await.map_err(|Stopped| Ended::Stopped)?;
    }
}

async fn one<R: Rule>(lane: &Lane, lease: &mut Lease, page: &Page) -> Result<Looked, Ended> {
    let step = in_time(step::<R>(lane, lease, page));
    let done = lane.shutdown.run_until_cancelled(step).await.ok_or(Ended::Stopped)?;
    let done = done.map_err(Ended::Failed)?.map_err(|fault| Ended::Failed(said(fault)))?;
    let (renewed, looked) = done.ok_or(Ended::Lost)?;
    *lease = renewed;
    Ok(looked)
}

/// The transaction; nothing if another worker has the lease.
async fn step<R: Rule>(lane: &Lane, lease: &Lease, page: &Page) -> Result<Option<(Lease, Looked)>, DbErr> {
    let transaction = database::begin_write(&lane.database).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(STATEMENT_TIMEOUT).await?;
    }
    let Some(renewed) = lease.renewed(&transaction).await? else { return Ok(None) };
    let looked = R::step(&transaction, page).await?;
    crash_point::reached(CrashPoint::Forgotten);
    transaction.commit().await?;
    Ok(Some((renewed, looked)))
}

/// Whatever the database says, within the deadline.
pub(super) async fn in_time<T>(
    work: impl Future<Output = Result<T, DbErr>>,
) -> Result<Result<T, DbErr>, String> {
    timeout(DEADLINE, work).await.map_err(|_| "the database did not answer in time".to_owned())
}

/// A fault without the database's own words.
pub(super) fn said(fault: DbErr) -> String {
    match Fault::from(fault) {
        Fault::Contention => "another process was at the same rows".to_owned(),
        Fault::TimedOut => "the database did not answer in time".to_owned(),
        Fault::Infrastructure(fault) | Fault::Event(fault) => fault.message,
    }
}
