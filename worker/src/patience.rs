//! Whether the patience of waiting events may end. What they wait for may still stand in a queue, or be in the hands of a lane that the
//! database holds up: then it must not end, however long ago it began. After an outage everything is stored first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use careq_shared::broker::{Depths, Queue};

/// So long nothing may have waited in the queues. Shorter where patience itself is.
const QUIET: Duration = Duration::from_mins(1);

/// A sweep that comes so much later than it should was held up, and so were the lanes.
const HELD_UP: Duration = Duration::from_secs(10);

/// What every part of a worker asks: until when it may end. Whoever looks is held up by what holds up the lanes, so that what was seen
/// before does not count afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Option<Instant>>>);

impl Patience {
    pub(crate) fn may_end(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Looks at the queues, with each sweep.
#[derive(Debug)]
pub(crate) struct Watch {
    depths: Depths,
    quiet: Duration,
    sweep_every: Duration,
    looked_at: Instant,
    quiet_since: Instant,
}

impl Watch {
    pub(crate) fn new(depths: Depths, park_for: Duration, sweep_every: Duration) -> Self {
        let now = Instant::now();
        Self { depths, quiet: QUIET.min(park_for), sweep_every, looked_at: now, quiet_since: now }
    }

    /// Looks once, and says so to whoever asks.
    pub(crate) async fn look(&mut self, patience: &Patience) {
        let at_the_latest = self.looked_at + self.sweep_every + HELD_UP;
        let nothing_waits = self.nothing_waits().await;
        self.looked_at = Instant::now();
        if !nothing_waits || self.looked_at > at_the_latest {
            self.quiet_since = self.looked_at;
        }
        let may_end = self.looked_at - self.quiet_since >= self.quiet;
        patience.set(may_end.then_some(self.looked_at + self.sweep_every + HELD_UP));
    }

    async fn nothing_waits(&self) -> bool {
        self.depths.of(Queue::Live).await == Some(0) && self.depths.of(Queue::Bulk).await == Some(0)
    }
}
