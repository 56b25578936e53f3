//! The connection to PostgreSQL or SQLite. It must never log a statement: its values are patients' data.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, TransactionTrait as _,
};
use secrecy::ExposeSecret as _;

use crate::backoff::Backoff;
use crate::config::Config;

/// How long a statement may wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The data folder cannot be made.
    #[error(
        "the data folder {folder} cannot be made: {reason}. Set data.dir (CAREQ_DATA_DIR) to a folder that can be written"
    )]
    Folder {
        /// Where it should be.
        folder: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// No connection at start.
    #[error(
        "the database {address} cannot be reached: {reason}. Check that it runs and that database.url \
         (CAREQ_DATABASE_URL) names it"
    )]
    Unreachable {
        /// The URL without its password.
        address: String,
        /// What the last attempt met.
        reason: String,
    },
}

/// Connects, trying for as long as the settings say.
///
/// # Errors
/// The database could not be reached, with the reason and what to do.
pub async fn connect(config: &Config) -> Result<DatabaseConnection, ConnectError> {
    let url = config.database_url();
    if config.database.url.expose_secret().is_empty() {
        std::fs::create_dir_all(&config.data.dir).map_err(|reason| ConnectError::Folder {
            folder: config.data.dir.display().to_string(),
            reason,
        })?;
    }
    let options = options(config, url.expose_secret());
    let mut reason = "no answer in time".to_owned();
    let attempts = async {
        let mut backoff = Backoff::default();
        loop {
            match Database::connect(options.clone()).await {
                Ok(database) => return database,
                Err(fault) => reason = fault.to_string(),
            }
            backoff.wait().await;
        }
    };
    let patience = Duration::from_secs(config.database.connect_timeout_s);
    tokio::time::timeout(patience, attempts)
        .await
        .map_err(|_| ConnectError::Unreachable { address: without_password(url.expose_secret()), reason })
}

fn options(config: &Config, url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        // A dead connection shows itself at the next statement, which is retried; asking each time costs a round trip.
        .test_before_acquire(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT);
    if url.starts_with("sqlite:") {
        // One writer is all that SQLite has; a second connection would only meet its lock.
        options.max_connections(1).map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(5))
        });
    } else {
        options.max_connections(config.database.max_connections).map_sqlx_postgres_opts(|postgres| {
            // A generic plan that was made while a table was small reads the whole table for ever after: measured, a
            // ledger of 50,000 rows was looked up in 200 ms instead of 2 (PostgreSQL manual, "plan_cache_mode").
            postgres.options([("plan_cache_mode", "force_custom_plan")])
        });
    }
    options
}

/// Begins a transaction that will write.
///
/// # Errors
/// The database's own.
pub async fn begin_write(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = database.begin().await?;
    if transaction.get_database_backend() == DbBackend::Sqlite {
        // The same as BEGIN IMMEDIATE, which sea-orm 1.1 cannot say: a transaction that reads first could later find its
        // snapshot outdated and fail at once, without waiting for the lock.
        transaction.execute_unprepared("DELETE FROM parked_events WHERE 0").await?;
    }
    Ok(transaction)
}

/// `postgres://user:secret@host/name` → `postgres://user@host/name`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((credentials, place)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = credentials.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}@{place}")
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn the_password_is_left_out() {
        assert_eq!(without_password("postgres://me:p@ss:w@db:5432/careq"), "postgres://me@db:5432/careq");
        assert_eq!(without_password("sqlite://data/careq.db"), "sqlite://data/careq.db");
    }
}
