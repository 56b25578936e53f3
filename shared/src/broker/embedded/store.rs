//! The queue table and its statements. It must never be opened by two processes: a message would be handed out twice at
//! the same time, so the file is locked for as long as it is open.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, DbErr, Statement,
    TransactionTrait as _, Value,
};

use crate::broker::{DELIVERY_LIMIT, Delivery, Queue};
use crate::data_folder;
use crate::telemetry::traces::TraceContext;

/// Longer than any process runs.
const FOR_EVER: Duration = Duration::from_hours(100 * 365 * 24);

/// Rows of one insert; three values each, far below SQLite's limit of 32,766.
const ROWS_PER_INSERT: usize = 1_000;

#[derive(Debug)]
pub(in crate::broker) struct Store {
    database: DatabaseConnection,
}

/// Why the embedded queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error(
        "the data folder {folder} cannot be made: {reason}. Set data.dir (CAREQ_DATA_DIR) to a folder that can be written"
    )]
    Folder {
        /// Where it should be.
        folder: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file cannot be opened, or is locked.
    #[error(
        "the embedded queue {file} cannot be opened: {reason}. If another careq-sync uses this folder, stop it or set \
         data.dir (CAREQ_DATA_DIR) to another one; several processes need RabbitMQ (broker.url)"
    )]
    Open {
        /// The file.
        file: String,
        /// What the database says.
        reason: DbErr,
    },
}

/// A message to be written.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) queue: Queue,
    pub(super) body: Bytes,
    pub(super) trace: Option<TraceContext>,
}

/// A message that was handed out, by its row.
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
            let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
            // The lock is the connection's: it must never be closed for being idle or old.
            options.max_connections(1).min_connections(1).idle_timeout(FOR_EVER).max_lifetime(FOR_EVER);
            options.sqlx_logging(false).map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .locking_mode(SqliteLockingMode::Exclusive)
                    .busy_timeout(Duration::from_millis(200))
            });
            let store = Self { database: Database::connect(options).await? };
            store.prepare().await?;
            Ok(store)
        };
        connected.await.map_err(|reason| StoreError::Open { file: file.display().to_string(), reason })
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
        self.add_traceparent().await?;
        // What a former process took and did not finish.
        self.execute("UPDATE messages SET in_flight = 0 WHERE in_flight = 1", []).await?;
        self.give_up().await
    }

    /// To a queue of a version that knew no traces.
    async fn add_traceparent(&self) -> Result<(), DbErr> {
        let known = statement("SELECT 1 FROM pragma_table_info('messages') WHERE name = 'traceparent'", []);
        if self.database.query_one(known).await?.is_none() {
            self.execute("ALTER TABLE messages ADD COLUMN traceparent TEXT", []).await?;
        }
        Ok(())
    }

    /// How many messages nobody has taken.
    pub(in crate::broker) async fn waiting(&self, queue: Queue) -> Result<u64, DbErr> {
        let count = "SELECT COUNT(*) AS waiting FROM messages WHERE queue = ? AND in_flight = 0";
        let row = self.database.query_one(statement(count, [queue.as_str().into()])).await?;
        let waiting: i64 = row.map_or(Ok(0), |row| row.try_get_by("waiting"))?;
        Ok(u64::try_from(waiting).unwrap_or_default())
    }

    /// Moves what was handed out too often to the dead queue.
    async fn give_up(&self) -> Result<(), DbErr> {
        let gave_up = "UPDATE messages SET queue = 'dead', deliveries = 0
                       WHERE queue <> 'dead' AND in_flight = 0 AND deliveries > ?";
        self.execute(gave_up, [i64::from(DELIVERY_LIMIT).into()]).await
    }

    /// Writes messages in one transaction; when this returns they are on disk.
    pub(super) async fn insert(&self, messages: &[Message]) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        for rows in messages.chunks(ROWS_PER_INSERT) {
            let places = vec!["(?, ?, ?)"; rows.len()].join(", ");
            let values = rows.iter().flat_map(|Message { queue, body, trace }| {
                let traceparent = trace.as_ref().map(TraceContext::traceparent);
                [queue.as_str().into(), Value::from(body.to_vec()), Value::from(traceparent)]
            });
            let insert = format!("INSERT INTO messages (queue, body, traceparent) VALUES {places}");
            transaction.execute(statement(&insert, values)).await?;
        }
        transaction.commit().await
    }

    /// Hands out the oldest messages, and counts that it did before anyone works on them.
    pub(super) async fn claim(&self, queue: Queue, batch: usize) -> Result<Vec<Claimed>, DbErr> {
        let claim = statement(
            "UPDATE messages SET in_flight = 1, deliveries = deliveries + 1
             WHERE id IN (SELECT id FROM messages WHERE queue = ? AND in_flight = 0 ORDER BY id LIMIT ?)
             RETURNING id, body, deliveries, traceparent",
            [queue.as_str().into(), i64::try_from(batch).unwrap_or(i64::MAX).into()],
        );
        let rows = self.database.query_all(claim).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let deliveries: i64 = row.try_get_by("deliveries")?;
            let body: Vec<u8> = row.try_get_by("body")?;
            let traceparent: Option<String> = row.try_get_by("traceparent")?;
            let redeliveries = u32::try_from(deliveries - 1).unwrap_or(u32::MAX);
            let trace = traceparent.as_deref().and_then(TraceContext::read);
            claimed.push(Claimed {
                id: row.try_get_by("id")?,
                delivery: Delivery { body: body.into(), redeliveries, trace },
            });
        }
        // RETURNING promises no order.
        claimed.sort_unstable_by_key(|message| message.id);
        Ok(claimed)
    }

    pub(super) async fn delete(&self, ids: &[i64]) -> Result<(), DbErr> {
        self.execute(&format!("DELETE FROM messages WHERE id IN ({})", places(ids)), values(ids)).await
    }

    /// Gives messages back as if they had not been handed out.
    pub(super) async fn release(&self, ids: &[i64]) -> Result<(), DbErr> {
        let release = format!(
            "UPDATE messages SET in_flight = 0, deliveries = deliveries - 1 WHERE id IN ({})",
            places(ids)
        );
        self.execute(&release, values(ids)).await
    }

    /// Gives messages back whose reader has come to a bad end: they have been handed out.
    pub(super) async fn abandon(&self, ids: &[i64]) -> Result<(), DbErr> {
        let abandon = format!("UPDATE messages SET in_flight = 0 WHERE id IN ({})", places(ids));
        self.execute(&abandon, values(ids)).await?;
        self.give_up().await
    }

    async fn execute(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<(), DbErr> {
        self.database.execute(statement(sql, values)).await.map(drop)
    }
}

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

fn places(ids: &[i64]) -> String {
    vec!["?"; ids.len()].join(", ")
}

fn values(ids: &[i64]) -> impl Iterator<Item = Value> {
    ids.iter().map(|id| Value::from(*id))
}
