//! How many messages wait in the queues, for those who watch an installation. It must never hold anything up: it has a connection of
//! its own, since a queue that has lost its leader hangs whoever asks it.

use std::sync::Arc;

use super::Queue;
use super::embedded::Store;
use super::rabbitmq::Counting;

/// Counts what no worker has taken.
#[derive(Debug, Clone)]
pub struct Depths(Source);

#[derive(Debug, Clone)]
enum Source {
    Embedded(Arc<Store>),
    RabbitMq(Arc<Counting>),
}

impl Depths {
    pub(super) fn embedded(store: Arc<Store>) -> Self {
        Self(Source::Embedded(store))
    }

    pub(super) fn rabbitmq(counting: Counting) -> Self {
        Self(Source::RabbitMq(Arc::new(counting)))
    }

    /// The messages that wait in a queue; `None` while that cannot be known.
    pub async fn of(&self, queue: Queue) -> Option<u64> {
        match &self.0 {
            Source::Embedded(store) => store.waiting(queue).await.ok(),
            Source::RabbitMq(counting) => counting.waiting(queue).await.ok(),
        }
    }
}
