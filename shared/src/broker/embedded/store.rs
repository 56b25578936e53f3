//! The queue table and its statements. The file is locked while it is open: two processes would deliver a message
//! twice.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement, Value};
use tokio::sync::{Mutex, Notify, watch};

use crate::broker::port::{BatchLimit, DELIVERY_LIMIT, Delivery, Queue};
use crate::data_folder::{self, FolderError};
use crate::trace_context::TraceContext;
use crate::{refusal, sqlite};

/// The timeout for the one connection. A longer wait means that the disk hangs.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The minimum and maximum size of a message that [`Store::probe`] writes, in bytes.
const PROBE_BYTES: (usize, usize) = (4_096, 1 << 20);

/// The advice for a file that cannot be opened for a reason other than the disk.
const FILE_IN_USE: &str = "If another careq-sync uses this folder, stop it or set data.dir (CAREQ_DATA_DIR) to another one; \
                           several processes need RabbitMQ (broker.url)";

#[derive(Debug)]
pub(super) struct Store {
    database: DatabaseConnection,
    /// Settlements that a failing disk has delayed, oldest first. Without them, their messages would be delivered again
    /// only after a restart. The list is bounded, because nothing is delivered before it is empty.
    delayed: Mutex<VecDeque<(Settlement, Vec<i64>)>>,
    /// The size of the largest write that failed; `None` while the disk works.
    failed_bytes: watch::Sender<Option<usize>>,
    /// Notifications of arrived messages, in the order of [`Queue::ALL`].
    arrivals: [Notify; 3],
}

/// The reason why the embedded queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be created.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file cannot be opened: its path, the database's own error, and the advice for the operator.
    #[error("the embedded queue {0} cannot be opened: {1}. {2}")]
    File(String, DbErr, &'static str),
}

/// The settlement of delivered messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Acknowledged: they are deleted.
    Delete,
    /// Returned: they are delivered again, and the delivery does not count.
    Release,
    /// Failed: they are delivered again, and the delivery counts.
    Abandon,
}

impl Settlement {
    /// The SQL statement, whose parameter is a JSON array of ids.
    const fn statement(self) -> &'static str {
        match self {
            Self::Delete => "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))",
            Self::Release => {
                "UPDATE messages SET in_flight = 0, deliveries = deliveries - 1
                 WHERE id IN (SELECT value FROM json_each(?))"
            }
            Self::Abandon => "UPDATE messages SET in_flight = 0 WHERE id IN (SELECT value FROM json_each(?))",
        }
    }
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
        data_folder::make(folder)?;
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
                arrivals: std::array::from_fn(|_| Notify::new()),
            };
            store.prepare().await?;
            Ok(store)
        };
        connected.await.map_err(|reason| {
            let advice = refusal::advice(&reason).unwrap_or(FILE_IN_USE);
            StoreError::File(file.display().to_string(), reason, advice)
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

    /// Notifies of messages that arrive in a queue.
    pub(super) const fn arrivals(&self, queue: Queue) -> &Notify {
        &self.arrivals[queue as usize]
    }

    /// The number of messages that no consumer holds.
    pub(super) async fn ready(&self, queue: Queue) -> Result<u64, DbErr> {
        let count = "SELECT COUNT(*) AS ready FROM messages WHERE queue = ? AND in_flight = 0";
        let row = self.database.query_one(statement(count, [queue.as_str().into()])).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a count has one row".to_owned()))?;
        let ready: i64 = row.try_get_by("ready")?;
        u64::try_from(ready).map_err(|_| DbErr::Type(format!("a queue has {ready} messages")))
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
        if !ids.is_empty() {
            self.delayed.lock().await.push_back((settlement, ids));
        }
        self.settle_delayed().await
    }

    /// Executes the delayed settlements.
    async fn settle_delayed(&self) -> Result<(), DbErr> {
        let mut delayed = self.delayed.lock().await;
        while let Some((settlement, ids)) = delayed.front() {
            let settled = self.execute(settlement.statement(), [format!("{ids:?}").into()]).await;
            self.observed(settled, 0)?;
            if *settlement == Settlement::Abandon {
                self.observed(self.move_to_dead().await, 0)?;
            }
            delayed.pop_front();
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

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

fn number(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
