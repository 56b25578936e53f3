//! One transaction a batch; and when it fails because of an event, parts of it, until the guilty event stands alone. It
//! must never blame an event for a database that is away, nor its neighbours for an event.

use std::collections::VecDeque;
use std::time::Duration;
use std::{mem, slice};

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::database;
use careq_shared::outcome::EventResult;
use tracing::Instrument as _;

use crate::attempt::{self, DEADLINE, Limits};
use crate::fault::{EventFault, Fault, FaultClass};
use crate::lane::{Lane, Stopped};
use crate::novelty::{self, Novelty};
use crate::order::{Item, Treatment};
use crate::wake::Wakes;
use crate::working_set::WorkingSet;
use crate::{apply, dead_letters, observe, persist, retry};

/// Into so many parts a batch is split: a fault that costs a deadline must not cost many of them before its event stands alone.
const PARTS: usize = 8;

/// Between two tries to note something in an event's own row, which another session holds.
const PAUSE_WHILE_BUSY: Duration = Duration::from_secs(1);

/// So many of them in a row, each after having waited for the row in vain: longer than a session of ours that was cut off holds one.
const MAX_WHILE_BUSY: u32 = 8;

/// The committed results of a batch, in the order of its items.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) results: Vec<EventResult>,
    pub(crate) wakes: Wakes,
}

impl Settled {
    pub(crate) fn extend(&mut self, other: Self) {
        self.results.extend(other.results);
        self.wakes.extend(other.wakes);
    }
}

/// Settles every item. What fails together is split, and its parts wait behind the others; what fails alone is settled alone.
pub(crate) async fn bisecting(lane: &Lane, items: &[Item]) -> Result<Settled, Stopped> {
    let mut parts = VecDeque::from([Part { first: 0, items: items.to_vec(), is_split: false }]);
    let mut settled = Vec::new();
    while let Some(part) = parts.pop_front() {
        match (committed(lane, &part.items, part.limits(lane)).await?, part) {
            (Ok(done), part) => settled.push((part.first, done)),
            (Err(fault), Part { first, items, .. }) if items.len() < 2 => {
                for item in items {
                    settled.push((first, alone(lane, item, fault.clone()).await?));
                }
            }
            (Err(_), part) => parts.extend(part.split()),
        }
    }
    settled.sort_by_key(|(first, _)| *first);
    Ok(settled.into_iter().fold(Settled::default(), |mut all, (_, part)| {
        all.extend(part);
        all
    }))
}

/// Neighbours that share a transaction.
struct Part {
    /// The place of the first one in the batch.
    first: usize,
    items: Vec<Item>,
    /// They have failed with others.
    is_split: bool,
}

impl Part {
    fn limits(&self, lane: &Lane) -> Limits {
        let limits = if self.items.len() > 1 { Limits::of_several(lane) } else { Limits::of_one(lane) };
        if self.is_split { Limits { deadline: limits.short_deadline, ..limits } } else { limits }
    }

    fn split(self) -> impl Iterator<Item = Self> {
        let size = self.items.len().div_ceil(PARTS).max(1);
        let parts: Vec<_> = self.items.chunks(size).map(<[Item]>::to_vec).collect();
        let firsts = (self.first..).step_by(size);
        parts.into_iter().zip(firsts).map(|(items, first)| Self { first, items, is_split: true })
    }
}

/// Gives an event that failed by itself its outcome: another look, where it may have been taken for what it is not; then a note of its
/// failure; then, where not even that can be written, a place among the parked or a dead letter.
async fn alone(lane: &Lane, mut item: Item, mut fault: EventFault) -> Result<Settled, Stopped> {
    let limits = Limits::of_one(lane);
    // It has failed before, so that what takes long would do so again.
    let limits = Limits { deadline: limits.short_deadline, ..limits };
    if deserves_another_look(&item, &fault) {
        item.treatment = Treatment::OnceMore;
        match committed(lane, slice::from_ref(&item), limits).await? {
            Ok(done) => return Ok(done),
            Err(another) => fault = another,
        }
    }
    let mut noted = if let Treatment::Failed(_) = item.treatment {
        Err(fault)
    } else {
        item.treatment = Treatment::Failed(fault);
        committed(lane, slice::from_ref(&item), limits).await?
    };
    for _ in 0..MAX_WHILE_BUSY {
        if !matches!(&noted, Err(fault) if fault.class == FaultClass::Busy) {
            break;
        }
        lane.pause(PAUSE_WHILE_BUSY).await?;
        noted = committed(lane, slice::from_ref(&item), limits).await?;
    }
    let result = match noted {
        Ok(done) => return Ok(done),
        Err(EventFault { class: FaultClass::Busy | FaultClass::Unusable, .. }) => {
            retry::past_its_row(lane, &item.event).await?
        }
        Err(fault) => dead_letters::keep_unnoted(lane, &item.event, &fault).await?,
    };
    observe::committed(slice::from_ref(&item), slice::from_ref(&result));
    Ok(Settled { results: vec![result], wakes: Wakes::default() })
}

/// Whether a second look may come to something else than a first one.
fn deserves_another_look(item: &Item, fault: &EventFault) -> bool {
    matches!(item.treatment, Treatment::Ordinary)
        && match fault.class {
            FaultClass::Collision => true,
            FaultClass::Busy => false,
            // It may have been taken for new, and be a copy of what is settled long since.
            FaultClass::Permanent | FaultClass::Transient | FaultClass::Unusable | FaultClass::NoResult => {
                novelty::looks_new(item)
            }
        }
}

/// Commits the items together, as often as it takes; or says which fault is theirs.
async fn committed(
    lane: &Lane,
    items: &[Item],
    limits: Limits,
) -> Result<Result<Settled, EventFault>, Stopped> {
    let mut novelty = lane.copies.expectation();
    let work = |deadline| {
        let novelty = mem::replace(&mut novelty, Novelty::LookedUp);
        commit(lane, items, novelty, deadline).instrument(observe::transaction(items))
    };
    let committed = attempt::within(lane, limits, work).await?;
    if let Ok(done) = &committed {
        observe::committed(items, &done.results);
    }
    Ok(committed)
}

/// The transaction: read everything that the events touch, decide in memory, write what changed.
async fn commit(lane: &Lane, items: &[Item], novelty: Novelty, deadline: Duration) -> Result<Settled, Fault> {
    let transaction = database::begin_write(&lane.database).await?;
    if deadline != DEADLINE {
        database::end_statements_after(&transaction, deadline * 3 / 4).await?;
    }
    let mut set = WorkingSet::load(&transaction, items, novelty, lane).await?;
    lane.copies.note(items, &set);
    crash_point::reached(CrashPoint::Loaded);
    let results = items.iter().map(|item| apply::one(&mut set, item)).collect::<Result<_, _>>()?;
    let buried = persist::changes(&transaction, &set).await?;
    crash_point::reached(CrashPoint::Persisted);
    transaction.commit().await?;
    crash_point::reached(CrashPoint::Committed);
    dead_letters::told(&buried);
    Ok(Settled { results, wakes: set.wakes })
}
