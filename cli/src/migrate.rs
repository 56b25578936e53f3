//! `careq-sync migrate`: applies pending migrations. Every process does the same at its start, so the command is optional.

use anyhow::{Result, anyhow};
use careq_shared::config::Config;
use careq_shared::{database, refusal};
use sea_orm::DatabaseConnection;

pub(crate) async fn run(config: &Config) -> Result<()> {
    let database = connect(config).await?;
    database.close().await?;
    crate::environment::print("The database's tables are up to date.");
    Ok(())
}

/// Connects to the database and applies pending migrations.
pub(crate) async fn connect(config: &Config) -> Result<DatabaseConnection> {
    let database = database::connect(config).await?;
    careq_migrations::up(&database).await.map_err(|fault| {
        let is_disk_fault = refusal::advice(&fault).is_some();
        let remedy =
            if is_disk_fault { "" } else { "; the user of database.url must be allowed to create tables" };
        anyhow!(fault).context(format!("the database's tables could not be brought up to date{remedy}"))
    })?;
    Ok(database)
}
