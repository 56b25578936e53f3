//! What every part of a worker works with. It knows no stage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use careq_shared::broker::Broker;
use careq_shared::config::{Config, Process, RetentionConfig};
use careq_shared::seal::Seal;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Deadline of one transaction: a connection that takes longer is probably half-open. PostgreSQL ends its statements before, see
/// [`SESSION`](careq_shared::database::SESSION).
pub(crate) const DEADLINE: Duration = Duration::from_secs(16);

/// Settings of a worker process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Batches processed at the same time.
    pub concurrency: usize,
    /// Maximum number of events in one transaction, without the few that were parked.
    pub batch_size: usize,
    /// Maximum size of the messages of one batch.
    pub max_batch_bytes: usize,
    /// Deadline of a transaction while the database is not slow.
    pub deadline: Duration,
    /// How long an event waits for its parent.
    pub parent_timeout: Duration,
    /// Interval of the scans of parked events.
    pub sweep_interval: Duration,
    /// Retention periods.
    pub retention: RetentionConfig,
    /// Name of this process in dead letters and leases.
    pub name: String,
    /// Kind of this process: a worker, or all parts in one.
    pub process: Process,
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
            process: Process::Worker,
        }
    }
}

/// Connections, settings and shared state of a worker process.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) database: DatabaseConnection,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) settings: Arc<Settings>,
    /// Events whose parent timeout ended by this time may become dead letters; `None`: no event may. See `waiting/parent_deadline.rs`.
    pub(crate) parent_deadline: watch::Sender<Option<DateTime<Utc>>>,
    /// When a worker last found a duplicate, see `transaction/duplicate_check.rs`.
    pub(crate) duplicate_seen_at: watch::Sender<Option<Instant>>,
    pub(crate) shutdown: CancellationToken,
}

/// The process was stopped while the database was unavailable; unacknowledged messages go back to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped while the database could not be used")]
pub struct Stopped;

impl Context {
    /// A context on this database and broker. No parent deadline passes until a sweep says so.
    #[must_use]
    pub fn new(
        database: DatabaseConnection,
        broker: Arc<dyn Broker>,
        seal: Arc<Seal>,
        settings: Arc<Settings>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            database,
            broker,
            seal,
            settings,
            parent_deadline: watch::Sender::default(),
            duplicate_seen_at: watch::Sender::default(),
            shutdown,
        }
    }

    /// Sleeps.
    ///
    /// # Errors
    /// The process stops.
    pub(crate) async fn pause(&self, delay: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Stopped),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }
}
