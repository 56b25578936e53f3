//! One transaction a batch; and when it fails because of an event, halves of it, until the guilty event stands alone. It
//! must never blame an event for a database that is away, nor its neighbours for an event.

use std::future::Future;
use std::mem;
use std::time::Duration;

use careq_shared::backoff::Backoff;
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::database;
use careq_shared::outcome::EventResult;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::fault::{EventFault, Fault, FaultClass};
use crate::lane::{Lane, Stopped};
use crate::novelty::{self, Novelty};
use crate::order::{Item, Treatment};
use crate::wake::Wakes;
use crate::working_set::WorkingSet;
use crate::{apply, dead_letters, observe, persist, retry};

/// A transaction that takes longer is given up: its connection is probably half-open.
const DEADLINE: Duration = Duration::from_secs(20);

/// Or the database is slow: each further attempt has twice the time, up to this.
const LONGEST_DEADLINE: Duration = Duration::from_mins(5);

/// Between two tries to note something in an event's own row, which another session holds.
const PAUSE_WHILE_BUSY: Duration = Duration::from_secs(1);

/// So many of them in a row, each after having waited for the row in vain: longer than a session of ours that was cut off holds one.
const MOST_WHILE_BUSY: u32 = 8;

/// Another worker is done with the same rows long before so many tries; a row that still collides does so for ever, as
/// with a unique index that somebody else has put on our tables.
const MOST_COLLISIONS: u32 = 50;

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

/// Settles every item.
pub(crate) async fn bisecting(lane: &Lane, items: &[Item]) -> Result<Settled, Stopped> {
    let mut settled = Settled::default();
    // The parts still to do, the first one last.
    let mut parts = vec![items.to_vec()];
    let mut tries_while_busy = 0;
    while let Some(mut part) = parts.pop() {
        let mut novelty = lane.copies.expectation();
        let work = || {
            let novelty = mem::replace(&mut novelty, Novelty::LookedUp);
            commit(lane, &part, novelty).instrument(observe::transaction(&part))
        };
        let committed = attempt(lane, work).await?;
        match (committed, part.as_mut_slice()) {
            (Ok(done), part) => {
                tries_while_busy = 0;
                observe::committed(part, &done.results);
                settled.extend(done);
            }
            (Err(_), []) => {}
            (Err(fault), [alone]) => {
                if let Some(treatment) = after_failing_alone(alone, &fault) {
                    alone.treatment = treatment;
                    parts.push(part);
                } else if fault.class == FaultClass::Busy && tries_while_busy < MOST_WHILE_BUSY {
                    tries_while_busy += 1;
                    lane.pause(PAUSE_WHILE_BUSY).await?;
                    parts.push(part);
                } else if fault.class == FaultClass::Busy {
                    tries_while_busy = 0;
                    settled.results.push(retry::past_its_row(lane, &alone.event).await?);
                } else {
                    let result = dead_letters::keep_unnoted(lane, &alone.event, &fault).await?;
                    observe::committed(&part, std::slice::from_ref(&result));
                    settled.results.push(result);
                }
            }
            (Err(_), several) => {
                let middle = several.len() / 2;
                let second = part.split_off(middle);
                parts.push(second);
                parts.push(part);
            }
        }
    }
    Ok(settled)
}

/// How an event that failed by itself is treated next; `None` when not even its failure could be noted.
fn after_failing_alone(item: &Item, fault: &EventFault) -> Option<Treatment> {
    let deserves_another_look = match fault.class {
        FaultClass::Collision => true,
        FaultClass::Busy => false,
        // It may have been taken for new, and be a copy of what is settled long since.
        FaultClass::Permanent | FaultClass::Transient | FaultClass::NoResult => novelty::looks_new(item),
    };
    match item.treatment {
        Treatment::Failed(_) => None,
        Treatment::Ordinary if deserves_another_look => Some(Treatment::OnceMore),
        Treatment::Ordinary | Treatment::OnceMore | Treatment::SetApart => {
            Some(Treatment::Failed(fault.clone()))
        }
    }
}

/// Tries until the database says yes, or blames an event.
pub(crate) async fn attempt<T, F: Future<Output = Result<T, Fault>>>(
    lane: &Lane,
    mut work: impl FnMut() -> F,
) -> Result<Result<T, EventFault>, Stopped> {
    let mut backoff = Backoff::default();
    let (mut collisions, mut deadline) = (0, DEADLINE);
    loop {
        match timeout(deadline, work()).await {
            Ok(Ok(done)) => return Ok(Ok(done)),
            Ok(Err(Fault::Event(fault))) => return Ok(Err(fault)),
            Ok(Err(Fault::Contention)) if collisions < MOST_COLLISIONS => {
                collisions += 1;
                observe::repeated("contention");
                // The other one has nearly always committed by now. If not, both must not begin at the same moment once more.
                if collisions > 1 {
                    lane.pause(Duration::from_millis(rand::random_range(1..=20))).await?;
                }
                continue;
            }
            Ok(Err(Fault::Contention)) => return Ok(Err(EventFault::never_alone())),
            Ok(Err(Fault::Infrastructure(reason))) => {
                observe::repeated("unreachable");
                tracing::warn!(reason, "the database cannot be used; events wait in the queue meanwhile");
            }
            Err(_) => {
                observe::repeated("timed_out");
                tracing::warn!("the database did not answer in time; once more");
                deadline = (deadline * 2).min(LONGEST_DEADLINE);
            }
        }
        lane.pause(backoff.next_delay()).await?;
    }
}

/// The transaction: read everything that the events touch, decide in memory, write what changed.
async fn commit(lane: &Lane, items: &[Item], novelty: Novelty) -> Result<Settled, Fault> {
    let transaction = database::begin_write(&lane.database).await?;
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
