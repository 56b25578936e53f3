//! How far the patience of waiting events has ended. What an event waits for may still stand in a queue, or be in the hands of a lane that
//! the database holds up: an event is given up only if its patience was over before a moment at which the queues were empty, and if that
//! was a while ago. So after an outage everything is looked at first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use careq_shared::broker::{Depths, Queue};
use careq_shared::clock;
use chrono::{DateTime, Utc};
use tokio::time::timeout;

/// What a lane has in its hands is stored within this time, or comes back to the queue. Shorter where patience itself is.
const IN_HAND: Duration = Duration::from_mins(1);

/// A sweep that comes so much later than it should was held up, and so were the lanes.
const HELD_UP: Duration = Duration::from_secs(10);

/// A broker that says nothing must not hold up the sweep.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What every part of a worker asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Option<DateTime<Utc>>>>);

impl Patience {
    /// Whose patience was over by then may be given up; nothing while nobody may.
    pub(crate) fn ended(&self) -> Option<DateTime<Utc>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, until: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// Looks at the queues, with each sweep.
#[derive(Debug)]
pub(crate) struct Watch {
    depths: Depths,
    in_hand: Duration,
    sweep_interval: Duration,
    looked_at: Instant,
    /// A moment at which the queues were empty, and which is not long enough ago.
    empty: Option<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    at: DateTime<Utc>,
    instant: Instant,
}

impl Watch {
    pub(crate) fn new(depths: Depths, parent_timeout: Duration, sweep_interval: Duration) -> Self {
        Self {
            depths,
            in_hand: IN_HAND.min(parent_timeout),
            sweep_interval,
            looked_at: Instant::now(),
            empty: None,
        }
    }

    /// Looks once, and says so to whoever asks.
    pub(crate) async fn look(&mut self, patience: &Patience) {
        let now = Moment { at: clock::now(), instant: Instant::now() };
        if now.instant - self.looked_at > self.sweep_interval + HELD_UP {
            self.empty = None;
        }
        self.looked_at = now.instant;
        if let Some(empty) = self.empty.take_if(|empty| now.instant - empty.instant >= self.in_hand) {
            patience.end(empty.at);
        }
        if self.empty.is_none() && self.nothing_waits().await {
            self.empty = Some(now);
        }
    }

    async fn nothing_waits(&self) -> bool {
        let is_empty = |queue| async move {
            matches!(timeout(ANSWERS_WITHIN, self.depths.of(queue)).await, Ok(Some(0)))
        };
        is_empty(Queue::Live).await && is_empty(Queue::Bulk).await
    }
}
