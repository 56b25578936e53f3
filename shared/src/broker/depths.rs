//! Queue lengths, for readiness pages, metrics and alarms. Each broker counts over a connection of its own: a quorum queue without
//! a leader blocks the connection that asks for its length.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::port::Queue;

/// A source of queue lengths.
#[async_trait]
pub(super) trait CountReady: fmt::Debug + Send + Sync {
    /// The messages of a queue that no consumer holds; `None` while the length cannot be read.
    async fn ready(&self, queue: Queue) -> Option<u64>;
}

/// Counts the messages that no worker has taken.
#[derive(Debug, Clone)]
pub struct Depths(Arc<dyn CountReady>);

impl Depths {
    pub(super) fn new(source: Arc<dyn CountReady>) -> Self {
        Self(source)
    }

    /// The messages that wait in a queue; `None` while that cannot be known.
    pub async fn of(&self, queue: Queue) -> Option<u64> {
        self.0.ready(queue).await
    }
}
