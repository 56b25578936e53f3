//! The embedded broker: a queue table on SQLite in the data folder, for one process. A publish is confirmed when its
//! transaction is on disk (`synchronous=FULL`). Consumers are notified in process, so an idle system does not poll.
//! While the disk fails, nothing is confirmed or delivered; the queue recovers by itself.

mod consumer;
mod store;

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::port::{Assignment, BatchLimit, Broker, Consumer, Mailbox, PublishError, Queue, Ready};
use crate::ignore;
use crate::trace_context::TraceContext;
pub use store::StoreError;
use store::{Message, Store};

/// The number of result messages that may wait in one mailbox.
const MAX_WAITING: usize = 256;

/// The maximum number of messages in one transaction.
const MAX_MESSAGES: usize = 1_000;

/// The interval between two probes of a failing disk.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The embedded broker of one process.
#[derive(Debug)]
pub struct Embedded {
    store: Arc<Store>,
    jobs: mpsc::Sender<Job>,
    mailboxes: DashMap<String, mpsc::Sender<Bytes>>,
}

#[derive(Debug)]
struct Job {
    message: Message,
    done: oneshot::Sender<Result<(), PublishError>>,
}

impl Embedded {
    /// Opens the queue in a folder. Messages in flight of an earlier process are delivered again.
    ///
    /// # Errors
    /// The folder cannot be written, or another process uses it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(folder).await?);
        let (jobs, waiting) = mpsc::channel(MAX_MESSAGES);
        tokio::spawn(write(Arc::clone(&store), waiting));
        tokio::spawn(probe(store.failed_bytes(), Arc::downgrade(&store)));
        Ok(Self { store, jobs, mailboxes: DashMap::new() })
    }
}

#[async_trait]
impl Broker for Embedded {
    async fn publish(&self, queue: Queue, _: &str, body: Bytes) -> Result<(), PublishError> {
        let (done, result) = oneshot::channel();
        let message = Message { queue, body, trace: TraceContext::current() };
        self.jobs.send(Job { message, done }).await.map_err(|_| PublishError::Disconnected)?;
        result.await.map_err(|_| PublishError::Disconnected)?
    }

    fn consume(&self, queue: Queue, batch: BatchLimit, _: Assignment) -> Box<dyn Consumer> {
        Box::new(consumer::QueueConsumer::new(Arc::clone(&self.store), queue, batch))
    }

    fn is_shared(&self) -> bool {
        false
    }

    /// One, which all consumers of the process read.
    fn partitions(&self) -> u16 {
        1
    }

    fn expect_partitions(&self, _: u16) {}

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

    /// Consumers and publishers use one file.
    fn is_readable(&self) -> bool {
        self.store.works()
    }

    async fn ready(&self, queue: Queue) -> Result<Ready, String> {
        let total = self.store.ready(queue).await.map_err(|reason| reason.to_string())?;
        Ok(Ready { total, max: total })
    }

    /// Closes the database. Its files no longer hold deleted content.
    async fn close(&self) {
        self.store.close().await;
    }
}

/// Writes messages. Messages that arrive during one transaction are written together in the next, and are confirmed
/// when it is on disk.
async fn write(store: Arc<Store>, mut waiting: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(MAX_MESSAGES);
    while waiting.recv_many(&mut jobs, MAX_MESSAGES).await > 0 {
        let messages: Vec<_> = jobs.iter().map(|job| job.message.clone()).collect();
        let result = store.insert(&messages).await.map_err(|_| PublishError::Refused);
        for job in jobs.drain(..) {
            if result.is_ok() {
                store.arrivals(job.message.queue).notify_one();
            }
            ignore(job.done.send(result), "a sender that has gone has been answered");
        }
    }
}

/// Probes a failing disk until it works, while the store exists. It costs nothing while the disk works.
async fn probe(mut failed: watch::Receiver<Option<usize>>, store: Weak<Store>) {
    while failed.wait_for(Option::is_some).await.is_ok() {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let Some(store) = store.upgrade() else { return };
        if store.probe().await.is_ok() {
            tracing::info!("the embedded queue can be written again");
            // Messages may have been returned meanwhile.
            for queue in Queue::ALL {
                store.arrivals(queue).notify_one();
            }
        }
    }
}
