//! The tables of careq-sync, for PostgreSQL and SQLite. `sql/` has a migration for each concern. A released migration is not changed:
//! write the next one.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseConnection, DbBackend, Statement, TransactionTrait as _};

/// The advisory lock of processes that start at the same time. The number must be unique in the database.
const ADVISORY_LOCK: i64 = 0x6361_7265_7173;

/// The table in which sea-orm-migration records applied migrations.
const JOURNAL: &str = "seaql_migrations";

/// The types that SQLite lacks, and the names by which sea-orm finds them there.
const SQLITE_TYPES: [(&str, &str); 5] = [
    ("TIMESTAMPTZ", "timestamp_with_timezone_text"),
    ("UUID", "uuid_text"),
    ("BYTEA", "blob"),
    ("NUMERIC", "text"),
    ("DATE,", "date_text,"),
];

/// The text behind this line of a migration is for PostgreSQL alone.
const POSTGRESQL_ONLY: &str = "-- PostgreSQL only:";

/// Statements for PostgreSQL, which become those for SQLite by [`SQLITE_TYPES`].
struct Migration {
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($name:literal)*) => {
        vec![$(Box::new(Migration { name: $name, sql: include_str!(concat!("../sql/", $name, ".sql")) })),*]
    };
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations!(
            "m20261130_000001_clinics"
            "m20261130_000002_records"
            "m20261130_000003_events"
            "m20261130_000004_dead_letters"
            "m20261130_000005_audit"
            "m20261130_000006_processes"
        )
    }
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Postgres => self.sql.to_owned(),
            DbBackend::Sqlite | DbBackend::MySql => {
                let sql = self.sql.split(POSTGRESQL_ONLY).next().unwrap_or_default().to_owned();
                SQLITE_TYPES
                    .iter()
                    .fold(sql, |sql, (of_postgresql, of_sqlite)| sql.replace(of_postgresql, of_sqlite))
            }
        };
        manager.get_connection().execute_unprepared(&sql).await.map(drop)
    }
}

/// Applies the pending migrations in one transaction. Several processes may start at once: sea-orm-migration itself
/// takes no lock.
///
/// # Errors
/// The database's own error; nothing has been changed then.
pub async fn up(database: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    let lock = match transaction.get_database_backend() {
        DbBackend::Postgres => {
            format!(
                "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
            )
        }
        // Any write takes SQLite's one write lock, and waits for it.
        DbBackend::Sqlite | DbBackend::MySql => "PRAGMA user_version = 1".to_owned(),
    };
    transaction.execute_unprepared(&lock).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

/// The state of the tables, compared to the migrations of this version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Applied migrations of this version.
    pub applied: Vec<String>,
    /// Migrations of this version that are not applied.
    pub pending: Vec<String>,
    /// Applied migrations that this version does not know: a newer version was here.
    pub unknown: Vec<String>,
}

/// Reads the state of the tables.
///
/// # Errors
/// The database's own error.
pub async fn standing(database: &DatabaseConnection) -> Result<Standing, DbErr> {
    let known: Vec<String> = Migrator::migrations().iter().map(|one| one.name().to_owned()).collect();
    let mut found: Vec<String> = Vec::new();
    if SchemaManager::new(database).has_table(JOURNAL).await? {
        let journal = format!("SELECT version FROM {JOURNAL} ORDER BY version");
        let statement = Statement::from_string(database.get_database_backend(), journal);
        for row in database.query_all(statement).await? {
            found.push(row.try_get_by("version")?);
        }
    }
    let unknown = found.iter().filter(|name| !known.contains(name)).cloned().collect();
    let (applied, pending) = known.into_iter().partition(|name| found.contains(name));
    Ok(Standing { applied, pending, unknown })
}
