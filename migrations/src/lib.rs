//! The tables of careq-sync, for PostgreSQL and SQLite. A released migration is not changed: write the next one.

mod columns;
mod m20261123_000001_clinics;
mod m20261123_000002_records;
mod m20261123_000003_ledger;
mod m20261123_000004_dead_letters;
mod m20261124_000001_front_door;
mod m20261125_000001_content_digest;
mod m20261125_000002_replay;
mod m20261125_000003_watched;
mod m20261125_000004_admins;
mod m20261125_000005_retention;
mod m20261130_000001_audit_chain;
mod m20261130_000004_deliveries;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseConnection, DbBackend, Statement, TransactionTrait as _};

/// The advisory lock of processes that start at the same time. The number must be unique in the database.
const ADVISORY_LOCK: i64 = 0x6361_7265_7173;

/// The table in which sea-orm-migration records applied migrations.
const JOURNAL: &str = "seaql_migrations";

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_clinics::Migration),
            Box::new(m20261123_000002_records::Migration),
            Box::new(m20261123_000003_ledger::Migration),
            Box::new(m20261123_000004_dead_letters::Migration),
            Box::new(m20261124_000001_front_door::Migration),
            Box::new(m20261125_000001_content_digest::Migration),
            Box::new(m20261125_000002_replay::Migration),
            Box::new(m20261125_000003_watched::Migration),
            Box::new(m20261125_000004_admins::Migration),
            Box::new(m20261125_000005_retention::Migration),
            Box::new(m20261130_000001_audit_chain::Migration),
            Box::new(m20261130_000004_deliveries::Migration),
        ]
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
