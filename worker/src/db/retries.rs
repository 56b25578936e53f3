//! Retries of a transaction: until it commits, or until its failure is attributed to an event.
//!
//! A failure that the database may have caused counts against the event only while the database works for other work, see
//! [`health`](super::health).

use std::time::Duration;

use careq_shared::backoff::Backoff;
use tokio::time::timeout;

use super::health;
use crate::context::{Context, Stopped};
use crate::fault::{EventFault, Fault, FaultClass};
use crate::observe;

/// Upper limit of a deadline, which doubles while the database is slow.
const MAX_DEADLINE: Duration = Duration::from_mins(5);

/// The database is slow if its own small work takes more than this part of a deadline.
const SLOW: u32 = 8;

/// Weights of a failure: while the database worked, during a possible outage, and one that cost a deadline.
const WHILE_HEALTHY: u32 = 2;
const WITH_AN_OUTAGE: u32 = 1;
const STALLED: u32 = 4;

/// Pause between two rounds of [`retry_until_done`].
const BETWEEN_ROUNDS: Duration = Duration::from_secs(1);

/// How often work is retried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Deadline of the first try.
    pub(crate) deadline: Duration,
    /// Deadline of a further try after one has stalled.
    pub(crate) short_deadline: Duration,
    /// Retries after a collision with another transaction. A row that still collides does so permanently, as with a foreign unique
    /// index on our tables.
    pub(crate) max_collisions: u32,
    /// Maximum sum of the failures' weights.
    pub(crate) max_failures: u32,
}

impl Limits {
    /// For work whose failure has a consequence.
    pub(crate) fn for_one(context: &Context) -> Self {
        let deadline = context.settings.deadline;
        Self { deadline, short_deadline: deadline / 3, max_collisions: 50, max_failures: 6 }
    }

    /// For work that can be split.
    pub(crate) fn for_several(context: &Context) -> Self {
        Self { max_collisions: 10, max_failures: 4, ..Self::for_one(context) }
    }
}

/// Retries within the limits of single work.
///
/// # Errors
/// The outer error: the process was stopped. The inner error: the failure is the event's.
pub(crate) async fn retry_within_limits<T, E: Into<Fault>, F: Future<Output = Result<T, E>>>(
    context: &Context,
    mut work: impl FnMut() -> F,
) -> Result<Result<T, EventFault>, Stopped> {
    within(context, Limits::for_one(context), |_| work()).await
}

/// Retries without end, with a log line a round.
pub(crate) async fn retry_until_done<T, E: Into<Fault>, F: Future<Output = Result<T, E>>>(
    context: &Context,
    work: impl Fn() -> F,
) -> Result<T, Stopped> {
    loop {
        match retry_within_limits(context, &work).await? {
            Ok(done) => return Ok(done),
            Err(fault) => {
                tracing::error!(fault.message, "database work failed; trying again");
                context.pause(BETWEEN_ROUNDS).await?;
            }
        }
    }
}

/// Retries within limits; the work receives its deadline.
pub(crate) async fn within<T, E: Into<Fault>, F: Future<Output = Result<T, E>>>(
    context: &Context,
    limits: Limits,
    mut work: impl FnMut(Duration) -> F,
) -> Result<Result<T, EventFault>, Stopped> {
    let mut backoff = Backoff::default();
    let (mut collisions, mut failures, mut deadline) = (0, 0, limits.deadline);
    let mut repeating = None;
    let transient = |message| EventFault::new(FaultClass::Transient, message);
    loop {
        let fault = match timeout(deadline, work(deadline)).await {
            Ok(Ok(done)) => return Ok(Ok(done)),
            Ok(Err(fault)) => fault.into(),
            Err(_) => Fault::TimedOut,
        };
        repeating.get_or_insert_with(observe::repeating);
        let suspicion = match fault {
            Fault::Event(fault) => return Ok(Err(fault)),
            Fault::Contention => {
                collisions += 1;
                observe::repeated("contention");
                if collisions > limits.max_collisions {
                    return Ok(Err(transient(
                        "It collides with another row, by a unique index that is not ours",
                    )));
                }
                // The other transaction has usually committed by now. If not, a random pause keeps both from colliding again.
                if collisions > 1 {
                    context.pause(Duration::from_millis(rand::random_range(1..=20))).await?;
                }
                continue;
            }
            Fault::Infrastructure(suspicion) => {
                observe::repeated("unreachable");
                let health = health::wait_for_database(context, deadline).await?;
                failures += if health.at_once { WHILE_HEALTHY } else { WITH_AN_OUTAGE };
                suspicion
            }
            Fault::TimedOut => {
                observe::repeated("timed_out");
                let health = health::wait_for_database(context, deadline).await?;
                if health.took * SLOW > deadline {
                    deadline = (deadline * 2).min(MAX_DEADLINE);
                } else {
                    failures += if health.at_once { STALLED } else { WITH_AN_OUTAGE };
                    deadline = deadline.min(limits.short_deadline);
                }
                transient("Its transaction does not end in time, while the database works")
            }
        };
        if failures >= limits.max_failures {
            tracing::warn!(reason = suspicion.message, "a transaction fails while the database works");
            return Ok(Err(suspicion));
        }
        context.pause(backoff.next_delay()).await?;
    }
}
