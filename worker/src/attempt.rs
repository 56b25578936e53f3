//! Something to be done in the database, until it is done or an event is to blame. It must never blame an event for a database that is
//! away or slow: a fault that could be either is held against the events only while the database works for others, see
//! [`health`](crate::health).

use std::time::Duration;

use careq_shared::backoff::Backoff;
use tokio::time::timeout;

use crate::fault::{EventFault, Fault};
use crate::lane::{Lane, Stopped};
use crate::{health, observe};

/// A transaction that takes longer is given up: its connection is probably half-open. The server ends its statements before, as
/// [`SESSION`](careq_shared::database::SESSION) says.
pub(crate) const DEADLINE: Duration = Duration::from_secs(16);

/// Or the database is slow: each further attempt has twice the time, up to this.
const MAX_DEADLINE: Duration = Duration::from_mins(5);

/// A database is slow if its own small work takes more than this part of a deadline.
const SLOW: u32 = 8;

/// How much each failure counts against the events: one while the database worked, one that an outage may explain, and one that cost
/// a deadline.
const WHILE_WELL: u32 = 2;
const WITH_AN_OUTAGE: u32 = 1;
const STALLED: u32 = 4;

/// How often something is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of the first try.
    pub(crate) deadline: Duration,
    /// Of a further try, once one has stalled.
    pub(crate) short_deadline: Duration,
    /// Others are done with the same rows long before so many tries; a row that still collides does so for ever, as with a unique
    /// index that somebody else has put on our tables.
    pub(crate) max_collisions: u32,
    /// What the failures may come to.
    pub(crate) max_failures: u32,
}

impl Limits {
    /// Of something whose failure has a consequence.
    pub(crate) fn of_one(lane: &Lane) -> Self {
        let deadline = lane.settings.deadline;
        Self { deadline, short_deadline: deadline / 3, max_collisions: 50, max_failures: 6 }
    }

    /// Of something that can be done in parts.
    pub(crate) fn of_several(lane: &Lane) -> Self {
        Self { max_collisions: 10, max_failures: 4, ..Self::of_one(lane) }
    }
}

/// Tries until the database says yes, or blames an event.
pub(crate) async fn attempt<T, F: Future<Output = Result<T, Fault>>>(
    lane: &Lane,
    mut work: impl FnMut() -> F,
) -> Result<Result<T, EventFault>, Stopped> {
    within(lane, Limits::of_one(lane), |_| work()).await
}

/// The same within limits; the work is told its deadline.
pub(crate) async fn within<T, F: Future<Output = Result<T, Fault>>>(
    lane: &Lane,
    limits: Limits,
    mut work: impl FnMut(Duration) -> F,
) -> Result<Result<T, EventFault>, Stopped> {
    let mut backoff = Backoff::default();
    let (mut collisions, mut failures, mut deadline) = (0, 0, limits.deadline);
    let mut repeating = None;
    loop {
        let fault = match timeout(deadline, work(deadline)).await {
            Ok(Ok(done)) => return Ok(Ok(done)),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::TimedOut,
        };
        repeating.get_or_insert_with(observe::repeating);
        let suspicion = match fault {
            Fault::Event(fault) => return Ok(Err(fault)),
            Fault::Contention => {
                collisions += 1;
                observe::repeated("contention");
                if collisions > limits.max_collisions {
                    return Ok(Err(EventFault::never_alone()));
                }
                // The other one has nearly always committed by now. If not, both must not begin at the same moment once more.
                if collisions > 1 {
                    lane.pause(Duration::from_millis(rand::random_range(1..=20))).await?;
                }
                continue;
            }
            Fault::Infrastructure(suspicion) => {
                observe::repeated("unreachable");
                let health = health::of_database(lane, deadline).await?;
                failures += if health.at_once { WHILE_WELL } else { WITH_AN_OUTAGE };
                suspicion
            }
            Fault::TimedOut => {
                observe::repeated("timed_out");
                let health = health::of_database(lane, deadline).await?;
                if health.took * SLOW > deadline {
                    deadline = (deadline * 2).min(MAX_DEADLINE);
                } else {
                    failures += if health.at_once { STALLED } else { WITH_AN_OUTAGE };
                    deadline = deadline.min(limits.short_deadline);
                }
                EventFault::stalled()
            }
        };
        if failures >= limits.max_failures {
            tracing::warn!(reason = suspicion.message, "a transaction fails while the database works");
            return Ok(Err(suspicion));
        }
        lane.pause(backoff.next_delay()).await?;
    }
}
