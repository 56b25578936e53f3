//! The queue table and its statements. The file is locked while it is open: two processes would deliver a message
//! twice.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement, Value};
use tokio::sync::{Mutex, watch};

use super::settlement::{DelayedSettlements, Settlement};
use crate::broker::depths::CountReady;
use crate::broker::port::{BatchLimit, DELIVERY_LIMIT, Delivery, Queue};
use crate::trace_context::TraceContext;
use crate::{data_folder, refusal, sqlite};

/// The timeout for the one connection. A longer wait means that the disk hangs.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The minimum and maximum size of a message that [`Store::probe`] writes, in bytes.
const PROBE_BYTES: (usize, usize) = (4_096, 1 << 20);

#[derive(Debug)]
pub(super) struct Store {
    database: DatabaseConnection,
    delayed: Mutex<DelayedSettlements>,
    /// The size of the largest write that failed; `None` while the disk works.
    failed_bytes: watch::Sender<Option<usize>>,
}

/// The reason why the embedded queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be created.
    #[error(
        "the data folder {folder} cannot be made: {reason}. Set data.dir (CAREQ_DATA_DIR) to a folder that can be written"
    )]
    Folder {
        /// Its path.
        folder: String,
        /// The system's own error.
        reason: std::io::Error,
    },
    /// The disk fails.
    #[error("the embedded queue {file} cannot be used: {reason}. {advice}")]
    Disk {
        /// The path of the file.
        file: String,
        /// The database's own error.
        reason: DbErr,
        /// The advice for the operator.
        advice: &'static str,
    },
    /// The file cannot be opened, or is locked.
    #[error(
        "the embedded queue {file} cannot be opened: {reason}. If another careq-sync uses this folder, stop it or set \
         data.dir (CAREQ_DATA_DIR) to another one; several processes need RabbitMQ (broker.url)"
    )]
    Open {
        /// The path of the file.
        file: String,
        /// The database's own error.
        reason: DbErr,
    },
}

/// A message to be inserted.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) queue: Queue,
    pub(super) body: Bytes,
    pub(super) trace: Option<TraceContext>,
}

/// A delivered message, with the id of its row.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) delivery: Delivery,
}

impl Store {
    pub(super) async fn open(folder: &Path) -> Result<Self, StoreError> {
        data_folder::make(folder)
            .map_err(|reason| StoreError::Folder { folder: folder.display().to_string(), reason })?;
        let file = folder.join("queue.db");
        let connected = async {
            let options = SqliteConnectOptions::new()
                .filename(&file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .locking_mode(SqliteLockingMode::Exclusive)
                // Deleted content is overwritten.
                .pragma("secure_delete", "ON")
                .busy_timeout(Duration::from_millis(200));
            let store = Self {
                database: sqlite::open(options, ACQUIRE_TIMEOUT).await?,
                delayed: Mutex::default(),
                failed_bytes: watch::Sender::default(),
            };
            store.prepare().await?;
            Ok(store)
        };
        connected.await.map_err(|reason| {
            let file = file.display().to_string();
            match refusal::advice(&reason) {
                Some(advice) => StoreError::Disk { file, reason, advice },
                None => StoreError::Open { file, reason },
            }
        })
    }

    async fn prepare(&self) -> Result<(), DbErr> {
        self.database
            .execute_unprepared(
                "CREATE TABLE IF NOT EXISTS messages (
                     id INTEGER PRIMARY KEY AUTOINCREMENT,
                     queue TEXT NOT NULL,
                     body BLOB NOT NULL,
                     deliveries INTEGER NOT NULL DEFAULT 0,
                     in_flight INTEGER NOT NULL DEFAULT 0,
                     traceparent TEXT
                 );
                 CREATE INDEX IF NOT EXISTS messages_by_queue ON messages (queue, in_flight, id);",
            )
            .await?;
        // Messages that were in flight when an earlier process ended.
        self.execute("UPDATE messages SET in_flight = 0 WHERE in_flight = 1", []).await?;
        self.move_to_dead().await?;
        self.probe().await
    }

    /// The number of messages that no consumer holds.
    async fn waiting(&self, queue: Queue) -> Result<u64, DbErr> {
        let count = "SELECT COUNT(*) AS waiting FROM messages WHERE queue = ? AND in_flight = 0";
        let row = self.database.query_one(statement(count, [queue.as_str().into()])).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a count has one row".to_owned()))?;
        let waiting: i64 = row.try_get_by("waiting")?;
        u64::try_from(waiting).map_err(|_| DbErr::Type(format!("a queue has {waiting} messages")))
    }

    /// Moves messages with too many deliveries to the dead queue.
    async fn move_to_dead(&self) -> Result<(), DbErr> {
        let exhausted = "UPDATE messages SET queue = 'dead', deliveries = 0
                       WHERE queue <> 'dead' AND in_flight = 0 AND deliveries > ?";
        self.execute(exhausted, [i64::from(DELIVERY_LIMIT).into()]).await
    }

    /// Inserts at most 10,000 messages, all or none. One statement is one transaction, so they are on disk when it
    /// returns.
    pub(super) async fn insert(&self, messages: &[Message]) -> Result<(), DbErr> {
        let placeholders = vec!["(?, ?, ?)"; messages.len()].join(", ");
        let values = messages.iter().flat_map(|Message { queue, body, trace }| {
            let traceparent = trace.as_ref().map(TraceContext::traceparent);
            [queue.as_str().into(), Value::from(body.to_vec()), Value::from(traceparent)]
        });
        let insert = format!("INSERT INTO messages (queue, body, traceparent) VALUES {placeholders}");
        let inserted = self.execute(&insert, values).await;
        self.observed(inserted, messages.iter().map(|message| message.body.len()).sum())
    }

    /// Claims the oldest messages. The delivery is counted before any work on them.
    pub(super) async fn claim(&self, queue: Queue, batch: BatchLimit) -> Result<Vec<Claimed>, DbErr> {
        self.settle_delayed().await?;
        let claimed = self.take(queue, batch).await;
        self.observed(claimed, 0)
    }

    async fn take(&self, queue: Queue, batch: BatchLimit) -> Result<Vec<Claimed>, DbErr> {
        let claim = statement(
            "UPDATE messages SET in_flight = 1, deliveries = deliveries + 1
             WHERE id IN (SELECT id FROM (
                 SELECT id, SUM(size) OVER (ORDER BY id) - size AS bytes_before FROM (
                     SELECT id, LENGTH(body) AS size FROM messages WHERE queue = ? AND in_flight = 0 ORDER BY id LIMIT ?
                 )) WHERE bytes_before < ?)
             RETURNING id, body, deliveries, traceparent",
            [queue.as_str().into(), number(batch.messages), number(batch.bytes)],
        );
        let rows = self.database.query_all(claim).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let deliveries: i64 = row.try_get_by("deliveries")?;
            let body: Vec<u8> = row.try_get_by("body")?;
            let traceparent: Option<String> = row.try_get_by("traceparent")?;
            let redeliveries = u32::try_from(deliveries - 1)
                .map_err(|_| DbErr::Type(format!("a message was delivered {deliveries} times")))?;
            let trace = traceparent.as_deref().and_then(TraceContext::read);
            claimed.push(Claimed {
                id: row.try_get_by("id")?,
                delivery: Delivery { body: body.into(), redeliveries, trace },
            });
        }
        // RETURNING has no defined order.
        claimed.sort_unstable_by_key(|message| message.id);
        Ok(claimed)
    }

    /// Settles delivered messages. If the disk fails, they are settled when it works again.
    pub(super) async fn settle(&self, settlement: Settlement, ids: Vec<i64>) -> Result<(), DbErr> {
        self.delayed.lock().await.add(settlement, ids);
        self.settle_delayed().await
    }

    /// Executes the delayed settlements.
    async fn settle_delayed(&self) -> Result<(), DbErr> {
        let mut delayed = self.delayed.lock().await;
        while let Some((settlement, ids)) = delayed.first() {
            let settled = self.execute(settlement.statement(), [ids.into()]).await;
            self.observed(settled, 0)?;
            if settlement == Settlement::Abandon {
                self.observed(self.move_to_dead().await, 0)?;
            }
            delayed.remove_first();
        }
        Ok(())
    }

    /// Executes the delayed settlements, and writes as many bytes as the largest failed write. If both succeed, the
    /// disk works again.
    pub(super) async fn probe(&self) -> Result<(), DbErr> {
        let (min, max) = PROBE_BYTES;
        let bytes = self.failed_bytes.borrow().map_or(min, |bytes| bytes.clamp(min, max));
        self.settle_delayed().await?;
        let write = "INSERT OR REPLACE INTO messages (id, queue, body) VALUES (0, 'probe', zeroblob(?))";
        self.execute(write, [number(bytes)]).await?;
        self.execute("DELETE FROM messages WHERE id = 0", []).await?;
        self.failed_bytes.send_replace(None);
        Ok(())
    }

    /// Whether the disk works.
    pub(super) fn works(&self) -> bool {
        self.failed_bytes.borrow().is_none()
    }

    /// The size of the largest write that failed; `None` while the disk works.
    pub(super) fn failed_bytes(&self) -> watch::Receiver<Option<usize>> {
        self.failed_bytes.subscribe()
    }

    /// Records a failed write of this size. The first failure is logged, until a probe succeeds.
    fn observed<T>(&self, result: Result<T, DbErr>, bytes: usize) -> Result<T, DbErr> {
        if let Err(reason) = &result {
            let mut is_first = false;
            self.failed_bytes.send_modify(|failed| {
                is_first = failed.is_none();
                *failed = (*failed).max(Some(bytes));
            });
            if is_first {
                let advice = refusal::advice(reason).unwrap_or("The system's log may say more");
                let reason = format!("{reason}. {advice}");
                tracing::error!(reason, "the embedded queue cannot be written; webhooks are answered 503");
            }
        }
        result
    }

    /// Writes the log into the database file, and closes both.
    pub(super) async fn close(&self) {
        let emptied = self.database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await;
        if let Err(reason) = emptied.and(self.database.close_by_ref().await) {
            tracing::warn!(%reason, "the embedded queue could not be closed cleanly; the next start recovers it");
        }
    }

    async fn execute(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<(), DbErr> {
        self.database.execute(statement(sql, values)).await.map(drop)
    }
}

#[async_trait]
impl CountReady for Store {
    async fn ready(&self, queue: Queue) -> Option<u64> {
        self.waiting(queue)
            .await
            .inspect_err(
                |reason| tracing::debug!(queue = queue.as_str(), %reason, "a queue cannot be counted"),
            )
            .ok()
    }
}

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

fn number(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
