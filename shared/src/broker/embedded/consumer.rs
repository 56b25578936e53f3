//! A consumer of the embedded queue. It reads the table after a notification, and while there were messages; it does
//! not poll.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::store::{Claimed, Settlement, Store};
use crate::broker::port::{BatchLimit, Consumer, Delivery, NotAcked, Queue};
use crate::ignore;

/// The reason to ignore a settlement that fails.
const SETTLED_LATER: &str = "the store keeps the settlement until the disk works again";

pub(super) struct QueueConsumer {
    store: Arc<Store>,
    queue: Queue,
    batch: BatchLimit,
    claiming: Option<oneshot::Receiver<Result<Vec<Claimed>, DbErr>>>,
    in_flight: Vec<i64>,
}

impl QueueConsumer {
    pub(super) fn new(store: Arc<Store>, queue: Queue, batch: BatchLimit) -> Self {
        Self { store, queue, batch, claiming: None, in_flight: Vec::new() }
    }

    /// Claims a batch. The claim completes even if the caller drops the future, and the next call returns its result.
    /// Otherwise the claimed messages would stay in flight until the next start.
    async fn claim(&mut self) -> Result<Vec<Claimed>, DbErr> {
        let claiming = self.claiming.get_or_insert_with(|| {
            let (store, queue, batch) = (Arc::clone(&self.store), self.queue, self.batch);
            let (sender, claimed) = oneshot::channel();
            tokio::spawn(async move {
                let claimed = store.claim(queue, batch).await;
                if let Err(Ok(unwanted)) = sender.send(claimed) {
                    release(&store, queue, ids(&unwanted)).await;
                }
            });
            claimed
        });
        let claimed = claiming.await;
        self.claiming = None;
        // A claim ends without a result only while the process ends.
        claimed.unwrap_or_else(|_| Ok(Vec::new()))
    }
}

impl Drop for QueueConsumer {
    /// A consumer that is dropped without settling has failed: its messages are delivered again, and the attempt
    /// counts.
    fn drop(&mut self) {
        let ids = std::mem::take(&mut self.in_flight);
        if let (false, Ok(runtime)) = (ids.is_empty(), tokio::runtime::Handle::try_current()) {
            let (store, queue) = (Arc::clone(&self.store), self.queue);
            runtime.spawn(async move {
                ignore(store.settle(Settlement::Abandon, ids).await, SETTLED_LATER);
                store.arrivals(queue).notify_one();
                store.arrivals(Queue::Dead).notify_one();
            });
        }
    }
}

/// Returns messages to the queue. The store also settles earlier messages that a failing disk has left.
async fn release(store: &Store, queue: Queue, ids: Vec<i64>) {
    ignore(store.settle(Settlement::Release, ids).await, SETTLED_LATER);
    store.arrivals(queue).notify_one();
}

fn ids(claimed: &[Claimed]) -> Vec<i64> {
    claimed.iter().map(|message| message.id).collect()
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Vec<Delivery> {
        loop {
            match self.claim().await {
                Ok(claimed) if claimed.is_empty() => self.store.arrivals(self.queue).notified().await,
                Ok(claimed) => {
                    // There may be more than one batch, and more than one consumer.
                    self.store.arrivals(self.queue).notify_one();
                    self.in_flight = ids(&claimed);
                    return claimed.into_iter().map(|message| message.delivery).collect();
                }
                Err(_) => {
                    let mut failed_bytes = self.store.failed_bytes();
                    ignore(failed_bytes.wait_for(Option::is_none).await, "the consumer holds the store");
                }
            }
        }
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        let ids = std::mem::take(&mut self.in_flight);
        self.store.settle(Settlement::Delete, ids).await.map_err(|_| NotAcked)
    }

    async fn requeue(&mut self) {
        release(&self.store, self.queue, std::mem::take(&mut self.in_flight)).await;
    }

    async fn close(mut self: Box<Self>) {
        if let Some(claiming) = self.claiming.take()
            && let Ok(Ok(claimed)) = claiming.await
        {
            release(&self.store, self.queue, ids(&claimed)).await;
        }
        self.requeue().await;
    }
}
