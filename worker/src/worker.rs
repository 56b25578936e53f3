//! One worker process: its consumers, the sweep, replay jobs and retention, each supervised.

use std::sync::Arc;

use careq_shared::backoff::Backoff;
use careq_shared::broker::{BatchLimit, Broker, Queue};
use careq_shared::seal::Seal;
use careq_shared::telemetry::metrics::metrics;
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::{Context, ParentDeadline, RecentDuplicates, Settings};
use crate::waiting::sweep;
use crate::{batch, observe, replay, retention};

/// A message of the bulk queue is a batch of up to 1,000 records.
const BULK_MESSAGES: usize = 1;

/// A worker process.
#[derive(Debug, Clone)]
pub struct Worker {
    database: DatabaseConnection,
    broker: Arc<dyn Broker>,
    seal: Arc<Seal>,
    settings: Arc<Settings>,
    parent_deadline: ParentDeadline,
    recent_duplicates: RecentDuplicates,
}

impl Worker {
    /// A worker on this database and broker. `seal` encrypts what is stored.
    #[must_use]
    pub fn new(
        database: DatabaseConnection,
        broker: Arc<dyn Broker>,
        seal: Arc<Seal>,
        settings: Settings,
    ) -> Self {
        Self {
            database,
            broker,
            seal,
            settings: Arc::new(settings),
            parent_deadline: ParentDeadline::default(),
            recent_duplicates: RecentDuplicates::default(),
        }
    }

    /// Runs until the shutdown, then finishes the batches in flight and returns the other messages to the broker.
    pub async fn run(self, shutdown: CancellationToken) {
        metrics().worker_begins(self.settings.parent_timeout);
        let tasks = TaskTracker::new();
        let live = std::iter::repeat_n((Queue::Live, self.settings.batch_size), self.settings.concurrency);
        for (queue, messages) in live.chain([(Queue::Bulk, BULK_MESSAGES), (Queue::Dead, BULK_MESSAGES)]) {
            let (context, broker) = (self.context(&shutdown), Arc::clone(&self.broker));
            let limit = BatchLimit { messages, bytes: self.settings.max_batch_bytes };
            tasks.spawn(supervise("lane", move || {
                batch::run(context.clone(), queue, broker.consume(queue, limit))
            }));
        }
        let context = self.context(&shutdown);
        tasks.spawn(supervise("sweep", move || sweep::run(context.clone())));
        let context = self.context(&shutdown);
        tasks.spawn(supervise("replay", move || replay::run(context.clone())));
        let context = self.context(&shutdown);
        tasks.spawn(supervise("retention", move || retention::run(context.clone())));
        tracing::info!(
            worker = self.settings.name,
            concurrency = self.settings.concurrency,
            "the worker takes events"
        );
        tasks.close();
        tasks.wait().await;
        tracing::info!(worker = self.settings.name, "the worker has finished its batches");
    }

    fn context(&self, shutdown: &CancellationToken) -> Context {
        Context {
            database: self.database.clone(),
            broker: Arc::clone(&self.broker),
            seal: Arc::clone(&self.seal),
            settings: Arc::clone(&self.settings),
            parent_deadline: self.parent_deadline.clone(),
            recent_duplicates: self.recent_duplicates.clone(),
            shutdown: shutdown.clone(),
        }
    }
}

/// Runs a part of the worker and restarts it after a panic. Its batch is redelivered, and its events are then tried one at a time.
async fn supervise<F>(part: &'static str, begin: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::default();
    while tokio::spawn(begin()).await.is_err() {
        observe::restarted(part);
        tracing::error!(part, "a part of the worker ended by a fault in the program; it restarts");
        backoff.wait().await;
    }
}
