//! One worker process: its lanes, its sweeper, and the net below them. It must never end while a lane could still work.

use std::sync::Arc;
use std::time::Duration;

use careq_shared::backoff::Backoff;
use careq_shared::broker::{Broker, Queue};
use careq_shared::config::WorkerConfig;
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lane::Lane;
use crate::sweep;

/// A message of the bulk queue is a batch of up to a thousand records by itself.
const BULK_MESSAGES: usize = 1;

/// What a worker is told by its settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Batches at the same time.
    pub lanes: usize,
    /// Most events of one transaction.
    pub batch: usize,
    /// How long an event waits for its parent.
    pub park_for: Duration,
    /// How often waiting events are looked through.
    pub sweep_every: Duration,
    /// Names this process in dead letters.
    pub name: String,
}

impl From<&WorkerConfig> for Settings {
    fn from(config: &WorkerConfig) -> Self {
        Self {
            lanes: config.lanes,
            batch: config.batch,
            park_for: Duration::from_secs(config.park_for_s),
            sweep_every: Duration::from_secs(config.sweep_every_s),
            name: format!("worker-{}-{:08x}", std::process::id(), rand::random::<u32>()),
        }
    }
}

/// A worker process.
#[derive(Debug, Clone)]
pub struct Worker {
    database: DatabaseConnection,
    broker: Arc<dyn Broker>,
    settings: Arc<Settings>,
}

impl Worker {
    /// A worker on this database and broker.
    #[must_use]
    pub fn new(database: DatabaseConnection, broker: Arc<dyn Broker>, settings: Settings) -> Self {
        Self { database, broker, settings: Arc::new(settings) }
    }

    /// Works until told to stop, then finishes the batches in hand and gives back what was not started.
    pub async fn run(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        for _ in 0..self.settings.lanes {
            tasks.spawn(self.clone().keep_lane(Queue::Live, self.settings.batch, shutdown.clone()));
        }
        tasks.spawn(self.clone().keep_lane(Queue::Bulk, BULK_MESSAGES, shutdown.clone()));
        tasks.spawn(self.clone().keep_lane(Queue::Dead, BULK_MESSAGES, shutdown.clone()));
        tasks.spawn(sweep::run(self.lane(&shutdown)));
        tracing::info!(worker = self.settings.name, lanes = self.settings.lanes, "the worker takes events");
        tasks.close();
        tasks.wait().await;
        tracing::info!(worker = self.settings.name, "the worker has finished what it had in hand");
    }

    fn lane(&self, shutdown: &CancellationToken) -> Lane {
        let (database, broker) = (self.database.clone(), Arc::clone(&self.broker));
        Lane::new(database, broker, Arc::clone(&self.settings), shutdown.clone())
    }

    /// Runs a lane, and another one should it ever panic: its messages come back and are then set apart one by one.
    async fn keep_lane(self, queue: Queue, messages: usize, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let consumer = self.broker.consume(queue, messages);
            match tokio::spawn(self.lane(&shutdown).run(queue, consumer)).await {
                Ok(()) => return,
                Err(_) => tracing::error!(
                    queue = queue.as_str(),
                    "a lane ended by a fault in the program; another begins"
                ),
            }
            backoff.wait().await;
        }
    }
}
