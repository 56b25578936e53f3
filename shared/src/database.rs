//! The connection to PostgreSQL or SQLite. Statements are never logged: their values are patients' data.

use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqlxPostgresConnector, TransactionTrait as _,
};
use secrecy::ExposeSecret as _;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::data_folder::{self, FolderError};
use crate::refusal::{self, Refusal};
pub use crate::sessions::SESSION;
use crate::{server_url, sessions, sqlite, unreachable};

/// The longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of a read. A half-open connection never answers.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The data folder cannot be created.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database could not be reached at start: its URL without the password, and the error of the last attempt.
    #[error(
        "the database {0} cannot be reached: {1}. Check that it runs and that database.url (CAREQ_DATABASE_URL) names it"
    )]
    Unreachable(String, String),
}

/// Connects, and retries for `database.connect_timeout_s`.
///
/// # Errors
/// The database could not be reached. The message says why and what to do.
pub async fn connect(config: &Config) -> Result<DatabaseConnection, ConnectError> {
    if config.database.url.expose_secret().is_empty() {
        data_folder::make(&config.data.dir)?;
    }
    let mut reason = "no answer in time".to_owned();
    let attempts = async {
        let mut backoff = Backoff::default();
        loop {
            match open(config, true).await {
                Ok(database) => return database,
                Err(fault) => {
                    reason = unreachable::database(&fault);
                    if let Some(advice) = refusal::advice(&fault) {
                        reason = format!("{reason}. {advice}");
                    }
                }
            }
            backoff.wait().await;
        }
    };
    let timeout = Duration::from_secs(config.database.connect_timeout_s);
    tokio::time::timeout(timeout, attempts)
        .await
        .map_err(|_| ConnectError::Unreachable(address(config), reason))
}

/// Connects once, for a diagnosis. A missing SQLite file is not created.
///
/// # Errors
/// The driver's own error. There is no timeout: the caller sets it.
pub async fn connect_once(config: &Config) -> Result<DatabaseConnection, DbErr> {
    open(config, false).await
}

/// The URL of the database without its password, for messages.
pub fn address(config: &Config) -> String {
    server_url::redacted(config.database_url().expose_secret())
}

async fn open(config: &Config, create_if_missing: bool) -> Result<DatabaseConnection, DbErr> {
    let connection_error = |fault| DbErr::Conn(RuntimeErr::SqlxError(fault));
    let url = config.database_url();
    if !url.expose_secret().starts_with("sqlite:") {
        return open_postgresql(config, url.expose_secret()).await.map_err(connection_error);
    }
    let file: SqliteConnectOptions = url.expose_secret().parse().map_err(connection_error)?;
    let file = file
        .create_if_missing(create_if_missing)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Deleted content is overwritten.
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(5));
    sqlite::open(file, ACQUIRE_TIMEOUT).await
}

async fn open_postgresql(config: &Config, url: &str) -> sqlx::Result<DatabaseConnection> {
    let server = url.parse::<PgConnectOptions>()?.options(SESSION).disable_statement_logging();
    // A pool would retry and finally report only a timeout.
    server.connect().await?.close().await?;
    let options = PgPoolOptions::new()
        .max_connections(config.database.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT);
    let pool = sessions::rules(options).connect_with(server).await?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// Discards every open session if a session caused the failure, as after a failover. New sessions replace them.
pub fn renew_after(refusal: &Refusal) {
    if refusal.is_of_the_session() {
        sessions::renew();
    }
}

/// Reads with a timeout, which also ends a read over a half-open connection. If the session caused the failure, as
/// after a failover, the read is repeated once over a new session.
///
/// # Errors
/// The database's own error, or a timeout.
pub async fn read<T, F>(mut reading: impl FnMut() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let read = with_timeout(reading()).await;
    let Err(fault) = &read else { return read };
    let refusal = Refusal::classify(fault);
    renew_after(&refusal);
    if refusal.is_of_the_session() { with_timeout(reading()).await } else { read }
}

async fn with_timeout<T>(reading: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(READ_TIMEOUT, reading).await {
        Ok(read) => read,
        Err(_) => Err(DbErr::Conn(RuntimeErr::Internal("the database did not answer in time".to_owned()))),
    }
}

/// The connection limit of the pool, its open connections, and its idle connections.
pub fn pool(database: &DatabaseConnection) -> (i64, i64, i64) {
    fn counts<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> (i64, i64, i64) {
        let (open, idle) = connection_counts(pool.size(), pool.num_idle());
        (pool.options().get_max_connections().into(), open, idle)
    }
    match database.get_database_backend() {
        DbBackend::Sqlite => counts(database.get_sqlite_connection_pool()),
        DbBackend::Postgres | DbBackend::MySql => counts(database.get_postgres_connection_pool()),
    }
}

/// Open and idle connections. sqlx removes an idle connection before it counts its return, so for a moment its count
/// wraps around below zero.
fn connection_counts(open: u32, idle: usize) -> (i64, i64) {
    let idle = u32::try_from(idle).unwrap_or(0).min(open);
    (open.into(), idle.into())
}

/// Begins a transaction that will write.
///
/// # Errors
/// The database's own error.
pub async fn begin_write(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = database.begin().await?;
    if transaction.get_database_backend() == DbBackend::Sqlite {
        // Equals BEGIN IMMEDIATE, which sea-orm 1.1 cannot express. A transaction that reads first could find its
        // snapshot outdated, and would fail without waiting for the lock.
        transaction.execute_unprepared("DELETE FROM parked_events WHERE 0").await?;
    }
    Ok(transaction)
}

/// Limits each statement of a transaction on PostgreSQL.
///
/// # Errors
/// The database's own error.
pub async fn end_statements_after(transaction: &DatabaseTransaction, timeout: Duration) -> Result<(), DbErr> {
    set(transaction, &format!("SET LOCAL statement_timeout = {}", timeout.as_millis())).await
}

/// Sets parameters on PostgreSQL; SQLite has none of them.
async fn set(transaction: &DatabaseTransaction, settings: &str) -> Result<(), DbErr> {
    match transaction.get_database_backend() {
        DbBackend::Postgres => transaction.execute_unprepared(settings).await.map(drop),
        DbBackend::Sqlite | DbBackend::MySql => Ok(()),
    }
}

/// The planning of the following statements of a transaction on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    /// A new plan for each execution, as [`SESSION`] sets it.
    PerExecution,
    /// One plan per connection. Sequential scans are disabled, because a plan made for a small table would be kept
    /// when the table has grown.
    Cached,
}

/// Sets the planning until the transaction ends.
///
/// # Errors
/// The database's own error.
pub async fn set_plan_caching(transaction: &DatabaseTransaction, planning: Planning) -> Result<(), DbErr> {
    let settings = match planning {
        Planning::PerExecution => "SET LOCAL plan_cache_mode = DEFAULT; SET LOCAL enable_seqscan = DEFAULT",
        Planning::Cached => "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off",
    };
    set(transaction, settings).await
}

#[cfg(test)]
mod tests {
    use super::connection_counts;

    #[test]
    fn connections_are_never_counted_below_none() {
        assert_eq!(connection_counts(3, 2), (3, 2));
        assert_eq!(connection_counts(3, 4), (3, 3), "one has just been closed");
        assert_eq!(connection_counts(3, usize::MAX), (3, 0), "one is taken that is not counted yet");
    }
}
