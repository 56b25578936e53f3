//! One worker process: its consumers, the sweep, replay jobs and retention, each supervised.

use std::collections::BTreeSet;
use std::sync::Arc;

use careq_shared::backoff::Backoff;
use careq_shared::broker::{BatchLimit, Broker, Queue};
use careq_shared::seal::Seal;
use careq_shared::telemetry::metrics::metrics;
use sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assignment::Assignments;
use crate::context::{Context, Settings};
use crate::waiting::sweep;
use crate::{assignment, batch, observe, replay, retention};

/// A message of the bulk queue is a batch of up to 1,000 records.
const BULK_MESSAGES: usize = 1;

/// A worker process.
#[derive(Debug, Clone)]
pub struct Worker {
    context: Context,
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
        Self { context: Context::new(database, broker, seal, Arc::new(settings), CancellationToken::new()) }
    }

    /// Runs until the shutdown, then finishes the batches in flight and returns the other messages to the broker.
    pub async fn run(self, shutdown: CancellationToken) {
        let context = Context { shutdown, ..self.context };
        let settings = Arc::clone(&context.settings);
        metrics().worker_begins(settings.parent_timeout);
        let tasks = TaskTracker::new();
        let assignments = Assignments::new(settings.concurrency);
        let live = assignments.live().map(|assignment| (Queue::Live, settings.batch_size, assignment));
        let one = |queue, assignment| (queue, BULK_MESSAGES, assignment);
        let bulk = one(Queue::Bulk, assignments.bulk());
        // It has no partitions, and each worker reads it.
        let dead = one(Queue::Dead, watch::Sender::new(BTreeSet::from([0])).subscribe());
        for (queue, messages, assignment) in live.chain([bulk, dead]) {
            let limit = BatchLimit { messages, bytes: settings.max_batch_bytes };
            let context = context.clone();
            tasks.spawn(supervise("consumer", move || {
                batch::run(context.clone(), queue, context.broker.consume(queue, limit, assignment.clone()))
            }));
        }
        let [assigning, sweeping, replaying, deleting] = [0; 4].map(|_| context.clone());
        tasks.spawn(supervise("assignment", move || assignment::run(assigning.clone(), assignments.clone())));
        tasks.spawn(supervise("sweep", move || sweep::run(sweeping.clone())));
        tasks.spawn(supervise("replay", move || replay::run(replaying.clone())));
        tasks.spawn(supervise("retention", move || retention::run(deleting.clone())));
        let (worker, concurrency) = (&settings.name, settings.concurrency);
        tracing::info!(worker, concurrency, "the worker takes events");
        tasks.close();
        tasks.wait().await;
        tracing::info!(worker, "the worker has finished its batches");
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
