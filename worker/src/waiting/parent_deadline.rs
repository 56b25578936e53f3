//! The end of the parent timeout. A missing parent may still be in a queue, or in a batch that the database delays. So an event becomes a
//! dead letter only if its timeout ended before a moment at which the queues were empty, at least [`IN_FLIGHT`] ago. After an outage
//! the whole backlog is processed first.

use std::time::{Duration, Instant};

use careq_shared::broker::{Broker, Queue, Ready};
use careq_shared::clock;
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use crate::context::Context;

/// A batch in flight is stored within this time, or is redelivered. Shorter if the parent timeout is.
const IN_FLIGHT: Duration = Duration::from_mins(1);

/// A sweep that is so late was delayed, and probably the consumers as well.
const DELAYED: Duration = Duration::from_secs(10);

/// Deadline of the broker's answer, so that a silent broker does not delay the sweep.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Observes the queues at each sweep.
#[derive(Debug)]
pub(crate) struct QueueWatch {
    observed_at: Instant,
    /// A recent moment at which the queues were empty.
    empty: Option<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    at: DateTime<Utc>,
    instant: Instant,
}

impl QueueWatch {
    pub(crate) fn new() -> Self {
        Self { observed_at: Instant::now(), empty: None }
    }

    /// Observes the queues once and advances the deadline.
    pub(crate) async fn observe(&mut self, context: &Context) {
        let now = Moment { at: clock::now(), instant: Instant::now() };
        if now.instant - self.observed_at > context.settings.sweep_interval + DELAYED {
            self.empty = None;
        }
        self.observed_at = now.instant;
        let in_flight = IN_FLIGHT.min(context.settings.parent_timeout);
        if let Some(empty) = self.empty.take_if(|empty| now.instant - empty.instant >= in_flight) {
            context.parent_deadline.send_replace(Some(empty.at));
        }
        if self.empty.is_none() && are_empty(context.broker.as_ref()).await {
            self.empty = Some(now);
        }
    }
}

async fn are_empty(broker: &dyn Broker) -> bool {
    let is_empty = async |queue| {
        matches!(timeout(ANSWER_TIMEOUT, broker.ready(queue)).await, Ok(Ok(Ready { total: 0, .. })))
    };
    is_empty(Queue::Live).await && is_empty(Queue::Bulk).await
}
