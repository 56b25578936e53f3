//! Notifications of arrived messages, in the same process.

use tokio::sync::Notify;

use crate::broker::port::Queue;

/// One notification per queue.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    live: Notify,
    bulk: Notify,
    dead: Notify,
}

impl Arrivals {
    pub(super) fn of(&self, queue: Queue) -> &Notify {
        match queue {
            Queue::Live => &self.live,
            Queue::Bulk => &self.bulk,
            Queue::Dead => &self.dead,
        }
    }
}
