//! One worker process: its lanes, its sweeper, and the net below them. It must never end while a lane could still work.

use std::sync::Arc;
use std::time::Duration;

use careq_shared::backoff::Backoff;
use careq_shared::broker::{BatchLimit, Broker, Depths, Queue};
use careq_shared::config::{Config, RetentionConfig};
use careq_shared::seal::Seal;
use careq_shared::telemetry::metrics::metrics;
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt::DEADLINE;
use crate::lane::Lane;
use crate::novelty::Copies;
use crate::patience::Patience;
use crate::{observe, replay, retention, sweep};

/// A message of the bulk queue is a batch of up to a thousand records by itself.
const BULK_MESSAGES: usize = 1;

/// What a worker is told by its settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Batches at the same time.
    pub concurrency: usize,
    /// Most events of one transaction, beside the few that the one before woke.
    pub batch_size: usize,
    /// Most bytes of the messages that are taken together.
    pub max_batch_bytes: usize,
    /// How long a transaction may take while the database is not slow.
    pub deadline: Duration,
    /// How long an event waits for its parent.
    pub parent_timeout: Duration,
    /// How often waiting events are looked through.
    pub sweep_interval: Duration,
    /// How long is kept what is over.
    pub retention: RetentionConfig,
    /// Names this process in dead letters.
    pub name: String,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            concurrency: config.worker.concurrency,
            batch_size: config.worker.batch_size,
            max_batch_bytes: config.worker.max_batch_bytes,
            deadline: DEADLINE,
            parent_timeout: Duration::from_secs(config.worker.parent_timeout_s),
            sweep_interval: Duration::from_secs(config.worker.sweep_interval_s),
            retention: config.retention,
            name: format!("worker-{}-{:08x}", std::process::id(), rand::random::<u32>()),
        }
    }
}

/// A worker process.
#[derive(Debug, Clone)]
pub struct Worker {
    database: DatabaseConnection,
    broker: Arc<dyn Broker>,
    depths: Depths,
    seal: Arc<Seal>,
    settings: Arc<Settings>,
    patience: Patience,
    copies: Copies,
}

impl Worker {
    /// A worker on this database and broker, and on how much waits in the broker's queues; what it stores of secrets is sealed with `seal`.
    #[must_use]
    pub fn new(
        database: DatabaseConnection,
        broker: Arc<dyn Broker>,
        depths: Depths,
        seal: Arc<Seal>,
        settings: Settings,
    ) -> Self {
        let (settings, patience, copies) = (Arc::new(settings), Patience::default(), Copies::default());
        Self { database, broker, depths, seal, settings, patience, copies }
    }

    /// Works until told to stop, then finishes the batches in hand and gives back what was not started.
    pub async fn run(self, shutdown: CancellationToken) {
        metrics().worker_begins(self.settings.parent_timeout);
        let tasks = TaskTracker::new();
        let live = std::iter::repeat_n((Queue::Live, self.settings.batch_size), self.settings.concurrency);
        for (queue, messages) in live.chain([(Queue::Bulk, BULK_MESSAGES), (Queue::Dead, BULK_MESSAGES)]) {
            let (lane, broker) = (self.lane(&shutdown), Arc::clone(&self.broker));
            let batch = BatchLimit { messages, bytes: self.settings.max_batch_bytes };
            tasks.spawn(keep("lane", move || lane.clone().run(queue, broker.consume(queue, batch))));
        }
        let (lane, depths) = (self.lane(&shutdown), self.depths.clone());
        tasks.spawn(keep("sweep", move || sweep::run(lane.clone(), depths.clone())));
        let lane = self.lane(&shutdown);
        tasks.spawn(keep("replay", move || replay::run(lane.clone())));
        let lane = self.lane(&shutdown);
        tasks.spawn(keep("retention", move || retention::run(lane.clone())));
        tracing::info!(
            worker = self.settings.name,
            concurrency = self.settings.concurrency,
            "the worker takes events"
        );
        tasks.close();
        tasks.wait().await;
        tracing::info!(worker = self.settings.name, "the worker has finished what it had in hand");
    }

    fn lane(&self, shutdown: &CancellationToken) -> Lane {
        Lane {
            database: self.database.clone(),
            broker: Arc::clone(&self.broker),
            seal: Arc::clone(&self.seal),
            settings: Arc::clone(&self.settings),
            patience: self.patience.clone(),
            copies: self.copies.clone(),
            shutdown: shutdown.clone(),
        }
    }
}

/// Runs a part of the worker, and begins it anew should it ever panic: what it had in hand comes again and is then set
/// apart, one event at a time.
async fn keep<F>(part: &'static str, begin: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::default();
    while tokio::spawn(begin()).await.is_err() {
        observe::restarted(part);
        tracing::error!(part, "a part of the worker ended by a fault in the program; it begins anew");
        backoff.wait().await;
    }
}
