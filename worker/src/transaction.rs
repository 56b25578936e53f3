//! One transaction a batch; and when it fails because of an event, halves of it, until the guilty event stands alone. It
//! must never blame an event for a database that is away, nor its neighbours for an event.

use std::future::Future;
use std::time::Duration;

use careq_shared::backoff::Backoff;
use careq_shared::outcome::EventResult;
use careq_shared::{clock, database};
use tokio::time::timeout;

use crate::fault::{EventFault, Fault};
use crate::lane::{Lane, Stopped};
use crate::order::{Item, Treatment};
use crate::wake::Wakes;
use crate::working_set::WorkingSet;
use crate::{apply, persist};

/// A transaction that takes longer is given up: its connection is probably half-open.
const DEADLINE: Duration = Duration::from_secs(60);

/// The committed results of a batch, in the order of its items.
pub(crate) struct Settled {
    pub(crate) results: Vec<EventResult>,
    pub(crate) wakes: Wakes,
}

/// Settles every item.
pub(crate) async fn bisecting(lane: &Lane, items: &[Item]) -> Result<Settled, Stopped> {
    let mut settled = Settled { results: Vec::with_capacity(items.len()), wakes: Wakes::default() };
    // The parts still to do, the first one last.
    let mut parts = vec![items.to_vec()];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match attempt(lane, || commit(lane, &part)).await? {
            Ok(done) => {
                settled.results.extend(done.results);
                settled.wakes.extend(done.wakes);
            }
            Err(fault) if part.len() == 1 => {
                blame(lane, &mut part, fault).await?;
                parts.push(part);
            }
            Err(_) => {
                let second = part.split_off(part.len() / 2);
                parts.push(second);
                parts.push(part);
            }
        }
    }
    Ok(settled)
}

/// Has the one event of this part noted as failed by the next transaction.
async fn blame(lane: &Lane, part: &mut [Item], fault: EventFault) -> Result<(), Stopped> {
    for item in part {
        if matches!(item.treatment, Treatment::Failed(_)) {
            // Not even its failure can be noted, so the fault is not the event's; nothing may be dropped.
            tracing::error!(event_id = %item.event.event_id, fault.message, "a failure cannot be noted; trying again");
            lane.pause(Duration::from_secs(1)).await?;
        }
        item.treatment = Treatment::Failed(fault.clone());
    }
    Ok(())
}

/// Tries until the database says yes, or blames an event.
pub(crate) async fn attempt<T, F: Future<Output = Result<T, Fault>>>(
    lane: &Lane,
    work: impl Fn() -> F,
) -> Result<Result<T, EventFault>, Stopped> {
    let mut backoff = Backoff::default();
    loop {
        match timeout(DEADLINE, work()).await {
            Ok(Ok(done)) => return Ok(Ok(done)),
            Ok(Err(Fault::Event(fault))) => return Ok(Err(fault)),
            Ok(Err(Fault::Contention)) => {
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Err(Fault::Infrastructure(reason))) => {
                tracing::warn!(reason, "the database cannot be used; events wait in the queue meanwhile");
            }
            Err(_) => tracing::warn!("the database did not answer in time; once more"),
        }
        lane.pause(backoff.next_delay()).await?;
    }
}

/// The transaction: read everything that the events touch, decide in memory, write what changed.
async fn commit(lane: &Lane, items: &[Item]) -> Result<Settled, Fault> {
    let transaction = database::begin_write(&lane.database).await?;
    let mut set = WorkingSet::load(&transaction, items, &lane.settings, clock::now()).await?;
    let results = items.iter().map(|item| apply::one(&mut set, item)).collect::<Result<_, _>>()?;
    persist::changes(&transaction, &set).await?;
    transaction.commit().await?;
    Ok(Settled { results, wakes: set.wakes })
}
