//! The embedded broker: a queue table on SQLite in the data folder, for one process. A publish is confirmed when its
//! transaction is on disk (`synchronous=FULL`). Consumers are notified in process, so an idle system does not poll.
//! While the disk fails, nothing is confirmed or delivered; the queue recovers by itself.

mod arrivals;
mod consumer;
mod publisher;
mod settlement;
mod store;

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::depths::Depths;
use super::port::{BatchLimit, Broker, Consumer, Mailbox, PublishError, Queue};
use arrivals::Arrivals;
use publisher::Publisher;
use store::Store;
pub use store::StoreError;

/// The number of result messages that may wait in one mailbox.
const MAX_WAITING: usize = 256;

/// The interval between two probes of a failing disk.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The embedded broker of one process.
#[derive(Debug)]
pub struct Embedded {
    store: Arc<Store>,
    publisher: Publisher,
    arrivals: Arc<Arrivals>,
    mailboxes: DashMap<String, mpsc::Sender<Bytes>>,
}

impl Embedded {
    /// Opens the queue in a folder. Messages in flight of an earlier process are delivered again.
    ///
    /// # Errors
    /// The folder cannot be written, or another process uses it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(folder).await?);
        let arrivals = Arc::new(Arrivals::default());
        let publisher = Publisher::start(Arc::clone(&store), Arc::clone(&arrivals));
        tokio::spawn(probe(store.failed_bytes(), Arc::downgrade(&store), Arc::clone(&arrivals)));
        Ok(Self { store, publisher, arrivals, mailboxes: DashMap::new() })
    }

    /// Closes the database. Its files no longer hold deleted content. Later calls fail.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The lengths of the queues.
    #[must_use]
    pub fn depths(&self) -> Depths {
        Depths::new(Arc::clone(&self.store) as _)
    }
}

#[async_trait]
impl Broker for Embedded {
    async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        self.publisher.publish(queue, body).await
    }

    fn consume(&self, queue: Queue, batch: BatchLimit) -> Box<dyn Consumer> {
        Box::new(consumer::QueueConsumer::new(
            Arc::clone(&self.store),
            Arc::clone(&self.arrivals),
            queue,
            batch,
        ))
    }

    fn mailbox(&self) -> Mailbox {
        let name = Uuid::new_v4().simple().to_string();
        let (arrived, messages) = mpsc::channel(MAX_WAITING);
        self.mailboxes.insert(name.clone(), arrived);
        let (_, address) = watch::channel(Some(name));
        Mailbox { address, messages }
    }

    fn tell(&self, mailbox: &str, body: Bytes) {
        let gone = self.mailboxes.get(mailbox).is_some_and(|arrived| {
            matches!(arrived.try_send(body), Err(mpsc::error::TrySendError::Closed(_)))
        });
        if gone {
            self.mailboxes.remove(mailbox);
        }
    }

    /// Whether the last write succeeded.
    fn is_connected(&self) -> bool {
        self.store.works()
    }
}

/// Probes a failing disk until it works, while the store exists. It costs nothing while the disk works.
async fn probe(mut failed: watch::Receiver<Option<usize>>, store: Weak<Store>, arrivals: Arc<Arrivals>) {
    while failed.wait_for(Option::is_some).await.is_ok() {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let Some(store) = store.upgrade() else { return };
        if store.probe().await.is_ok() {
            tracing::info!("the embedded queue can be written again");
            // Messages may have been returned meanwhile.
            for queue in Queue::ALL {
                arrivals.of(queue).notify_one();
            }
        }
    }
}
