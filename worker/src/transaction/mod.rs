//! One database transaction a batch. If it fails because of an event, the batch is split until the failing event stands alone.
//!
//! A failure of the database is attributed to no event, see `db/retries.rs`.

pub(crate) mod duplicate_check;
pub(crate) mod order;
pub(crate) mod unpark_triggers;

mod apply;
mod dead_letter;
mod dedupe;
mod event_rows;
mod merge;
mod park;
mod persist;
mod replayed;
mod resolve;
mod retry;
mod working_set;

#[cfg(test)]
pub(crate) mod testing;

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use std::{mem, slice};

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::database;
use careq_shared::outcome::EventResult;
use tracing::Instrument as _;

use crate::context::{Context, DEADLINE, Stopped};
use crate::db::bounds::{self, MAX_TRANSACTION};
use crate::db::retries::{self, Limits};
use crate::dead_letters::{keep, row};
use crate::fault::{EventFault, Fault, FaultClass};
use crate::item::{Item, Treatment};
use crate::observe;
use duplicate_check::LedgerCheck;
use unpark_triggers::UnparkTriggers;
use working_set::WorkingSet;

/// Number of parts of a split: a fault that costs a deadline costs few of them until its event stands alone.
const PARTS: usize = 8;

/// Pause between two tries to record a failure while another session holds the event's row.
const PAUSE_WHILE_HELD: Duration = Duration::from_secs(1);

/// Maximum number of such tries: in total longer than an orphaned session of ours holds a row.
const MAX_WHILE_HELD: u32 = 8;

/// Committed results, in the order of the items.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) results: Vec<EventResult>,
    pub(crate) unpark_triggers: UnparkTriggers,
}

impl Committed {
    pub(crate) fn extend(&mut self, other: Self) {
        self.results.extend(other.results);
        self.unpark_triggers.extend(other.unpark_triggers);
    }
}

/// Commits every item, in transactions of at most `max` items and of limited size.
pub(crate) async fn commit_all(context: &Context, items: &[Item], max: usize) -> Result<Committed, Stopped> {
    let mut committed = Committed::default();
    for part in bounds::parts(items, max, MAX_TRANSACTION) {
        committed.extend(commit_or_split(context, part).await?);
    }
    Ok(committed)
}

/// Commits the items together. A part that fails is split, and its parts go behind the others; an item that fails alone is handled alone.
async fn commit_or_split(context: &Context, items: &[Item]) -> Result<Committed, Stopped> {
    let mut parts = VecDeque::from([Part { first: 0, items: items.to_vec(), is_split: false }]);
    let mut committed = Vec::new();
    while let Some(part) = parts.pop_front() {
        match (try_commit(context, &part.items, part.limits(context)).await?, part) {
            (Ok(done), part) => committed.push((part.first, done)),
            (Err(fault), Part { first, items, .. }) if items.len() < 2 => {
                for item in items {
                    committed.push((first, alone(context, item, fault.clone()).await?));
                }
            }
            (Err(_), part) => parts.extend(part.split()),
        }
    }
    committed.sort_by_key(|(first, _)| *first);
    Ok(committed.into_iter().fold(Committed::default(), |mut all, (_, part)| {
        all.extend(part);
        all
    }))
}

/// Consecutive items of a batch that share a transaction.
struct Part {
    /// Index of the first item in the batch.
    first: usize,
    items: Vec<Item>,
    /// Part of a transaction that has failed.
    is_split: bool,
}

impl Part {
    fn limits(&self, context: &Context) -> Limits {
        let limits =
            if self.items.len() > 1 { Limits::for_several(context) } else { Limits::for_one(context) };
        if self.is_split { Limits { deadline: limits.short_deadline, ..limits } } else { limits }
    }

    fn split(self) -> impl Iterator<Item = Self> {
        let size = self.items.len().div_ceil(PARTS).max(1);
        let parts: Vec<_> = self.items.chunks(size).map(<[Item]>::to_vec).collect();
        let firsts = (self.first..).step_by(size);
        parts.into_iter().zip(firsts).map(|(items, first)| Self { first, items, is_split: true })
    }
}

/// Gives an event that failed alone its outcome, in three steps: one more try with the ledger queried, if that may help; recording the
/// failure, waiting for a held row; parking it past the held row, or a dead letter of its own.
async fn alone(context: &Context, mut item: Item, mut fault: EventFault) -> Result<Committed, Stopped> {
    let limits = Limits::for_one(context);
    // It has failed before: a long transaction would probably take long again.
    let limits = Limits { deadline: limits.short_deadline, ..limits };
    if is_worth_a_lookup(&item, &fault) {
        item.treatment = Treatment::OnceMore;
        match try_commit(context, slice::from_ref(&item), limits).await? {
            Ok(done) => return Ok(done),
            Err(another) => fault = another,
        }
    }
    let mut recorded = if let Treatment::Failed(_) = item.treatment {
        Err(fault)
    } else {
        item.treatment = Treatment::Failed(fault);
        try_commit(context, slice::from_ref(&item), limits).await?
    };
    for _ in 0..MAX_WHILE_HELD {
        if !matches!(&recorded, Err(fault) if fault.class == FaultClass::Busy) {
            break;
        }
        context.pause(PAUSE_WHILE_HELD).await?;
        recorded = try_commit(context, slice::from_ref(&item), limits).await?;
    }
    let result = match recorded {
        Ok(done) => return Ok(done),
        Err(EventFault { class: FaultClass::Busy | FaultClass::Unusable, .. }) => {
            keep::past_its_row(context, &item.event).await?
        }
        Err(fault) => keep::unrecorded(context, &item.event, &fault).await?,
    };
    observe::committed(slice::from_ref(&item), slice::from_ref(&result));
    Ok(Committed { results: vec![result], unpark_triggers: UnparkTriggers::default() })
}

/// Whether another try, with the ledger queried, may succeed.
fn is_worth_a_lookup(item: &Item, fault: &EventFault) -> bool {
    matches!(item.treatment, Treatment::Ordinary)
        && match fault.class {
            FaultClass::Collision => true,
            FaultClass::Busy => false,
            // It was assumed to be new and may be a duplicate.
            FaultClass::Permanent | FaultClass::Transient | FaultClass::Unusable | FaultClass::NoResult => {
                duplicate_check::looks_new(item)
            }
        }
}

/// Commits the items together, with retries; the inner error is a fault of the items.
async fn try_commit(
    context: &Context,
    items: &[Item],
    limits: Limits,
) -> Result<Result<Committed, EventFault>, Stopped> {
    let mut check = LedgerCheck::first(context);
    let work = |deadline| {
        let check = mem::replace(&mut check, LedgerCheck::Lookup);
        commit(context, items, check, deadline).instrument(observe::transaction(items))
    };
    let committed = retries::within(context, limits, work).await?;
    if let Ok(done) = &committed {
        observe::committed(items, &done.results);
    }
    Ok(committed)
}

/// The transaction: load everything that the events touch, decide in memory, write the changes.
async fn commit(
    context: &Context,
    items: &[Item],
    check: LedgerCheck,
    deadline: Duration,
) -> Result<Committed, Fault> {
    let transaction = database::begin_write(&context.database).await?;
    if deadline != DEADLINE {
        database::end_statements_after(&transaction, deadline * 3 / 4).await?;
    }
    let mut set = WorkingSet::load(&transaction, items, check, context).await?;
    if items.iter().any(|item| duplicate_check::looks_new(item) && dedupe::is_known(&set, &item.event)) {
        context.duplicate_seen_at.send_replace(Some(Instant::now()));
    }
    crash_point::reached(CrashPoint::Loaded);
    let results = items.iter().map(|item| apply::event(&mut set, item)).collect::<Result<_, _>>()?;
    let recorded = persist::changes(&transaction, &set).await?;
    crash_point::reached(CrashPoint::Persisted);
    transaction.commit().await?;
    crash_point::reached(CrashPoint::Committed);
    row::recorded(&recorded);
    Ok(Committed { results, unpark_triggers: set.unpark_triggers })
}
