//! Queue lengths, for metrics, alarms and back-off. Each broker counts over a connection of its own, because a quorum
//! queue without a leader blocks the connection that asks for its length.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::port::Queue;

/// A source of queue lengths.
#[async_trait]
pub(super) trait CountReady: fmt::Debug + Send + Sync {
    /// The number of messages in a queue that no consumer holds; `None` if it cannot be read.
    async fn ready(&self, queue: Queue) -> Option<u64>;
}

/// The lengths of the queues.
#[derive(Debug, Clone)]
pub struct Depths(Arc<dyn CountReady>);

impl Depths {
    pub(super) fn new(source: Arc<dyn CountReady>) -> Self {
        Self(source)
    }

    /// The number of waiting messages in a queue; `None` if it cannot be read.
    pub async fn of(&self, queue: Queue) -> Option<u64> {
        self.0.ready(queue).await
    }
}
