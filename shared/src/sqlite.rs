//! Pools of one SQLite connection, which is outside of a transaction whenever it is acquired.
//!
//! sqlx-sqlite 0.8.6 ends a transaction only if its COMMIT or ROLLBACK succeeds. SQLite ends a transaction by itself
//! when the disk fails (SQLite, "Response To Errors Within A Transaction"), so the following ROLLBACK fails too.
//! Later transactions of such a connection would be savepoints. After a second failure, their outermost transaction
//! would never be committed.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use sea_orm::sqlx::{self, ConnectOptions as _, Executor as _, Sqlite, TransactionManager};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, RuntimeErr, SqlxSqliteConnector};

use crate::ignore;

type Transactions = <Sqlite as sqlx::Database>::TransactionManager;

/// Opens a database file.
pub(crate) async fn open(
    file: SqliteConnectOptions,
    acquire_timeout: Duration,
) -> Result<DatabaseConnection, DbErr> {
    let pool = SqlitePoolOptions::new()
        // SQLite has one writer; a second connection would only wait for its lock.
        .max_connections(1)
        .acquire_timeout(acquire_timeout)
        // A connection is never replaced. SQLite opens a file read-only if it cannot be written at that moment, and
        // such a connection never writes again. The lock of the embedded queue belongs to its connection, too.
        .idle_timeout(None)
        .max_lifetime(None)
        .before_acquire(|connection, _| Box::pin(ends_every_transaction(connection)))
        // Statements hold patients' data.
        .connect_with(file.disable_statement_logging())
        .await
        .map_err(|fault| DbErr::Conn(RuntimeErr::SqlxError(fault)))?;
    let database = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    // An earlier process may have met a failing fsync, after which the kernel treats an unwritten page as written.
    // The content of its log is written to the file before anything relies on it.
    database.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await?;
    Ok(database)
}

/// Ends any open transaction of the connection. A connection that stays in a transaction is closed, which rolls back.
async fn ends_every_transaction(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if Transactions::get_transaction_depth(connection) > 0 {
        // BEGIN fails inside of a transaction. Outside of one, ROLLBACK would fail without it.
        ignore(
            connection.execute("BEGIN").await,
            "it fails inside of a transaction, and ROLLBACK then works",
        );
        Transactions::rollback(connection).await?;
    }
    Ok(Transactions::get_transaction_depth(connection) == 0)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sea_orm::TransactionTrait as _;
    use sea_orm::sqlx::sqlite::SqliteJournalMode;

    use super::*;

    async fn opened(file: &Path) -> DatabaseConnection {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        open(options.journal_mode(SqliteJournalMode::Wal), Duration::from_secs(5)).await.unwrap()
    }

    /// The log of a killed process is in the database file after another process has opened it.
    #[tokio::test]
    async fn the_log_of_a_former_process_is_written_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let [killed, next, file_alone] =
            ["killed.db", "next.db", "alone.db"].map(|name| folder.path().join(name));
        let log = |file: &PathBuf| PathBuf::from(format!("{}-wal", file.display()));
        let database = opened(&killed).await;
        database.execute_unprepared("CREATE TABLE numbers (number INTEGER)").await.unwrap();
        std::fs::copy(&killed, &next).unwrap();
        std::fs::copy(log(&killed), log(&next)).unwrap();
        let _next = opened(&next).await;
        std::fs::copy(&next, &file_alone).unwrap();
        opened(&file_alone).await.execute_unprepared("SELECT number FROM numbers").await.unwrap();
    }

    /// Simulates a failing disk: SQLite rolls one transaction back by itself, and refuses the COMMIT of the next one.
    #[tokio::test]
    async fn after_transactions_that_ended_badly_the_next_one_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let (database, other) = (opened(&file).await, opened(&file).await);
        let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
                      CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)";
        database.execute_unprepared(tables).await.unwrap();
        for id in 0..4 {
            let rolled_back = database.begin().await.unwrap();
            rolled_back.execute_unprepared("INSERT INTO parents VALUES (99)").await.unwrap();
            rolled_back.execute_unprepared("INSERT OR ROLLBACK INTO parents VALUES (99)").await.unwrap_err();
            drop(rolled_back);
            let refused = database.begin().await.unwrap();
            refused.execute_unprepared("INSERT INTO children VALUES (99)").await.unwrap();
            refused.commit().await.unwrap_err();

            let transaction = database.begin().await.unwrap();
            transaction.execute_unprepared(&format!("INSERT INTO parents VALUES ({id})")).await.unwrap();
            transaction.commit().await.unwrap();
            let found = other.execute_unprepared(&format!("DELETE FROM parents WHERE id = {id}")).await;
            assert_eq!(found.unwrap().rows_affected(), 1, "another connection sees {id}");
        }
    }
}
