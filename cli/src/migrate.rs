//! `careq-sync migrate`, and the same at the start of every process. It must never be needed by hand.

use anyhow::{Context as _, Result};
use careq_shared::config::Config;
use careq_shared::database;
use sea_orm::DatabaseConnection;

pub(crate) async fn run(config: &Config) -> Result<()> {
    let database = connect(config).await?;
    database.close().await?;
    crate::environment::print("The database's tables are up to date.");
    Ok(())
}

/// A connection to a database whose tables are up to date.
pub(crate) async fn connect(config: &Config) -> Result<DatabaseConnection> {
    let database = database::connect(config).await?;
    careq_migrations::up(&database).await.context(
        "the database's tables could not be brought up to date; the user of database.url must be allowed to create tables",
    )?;
    Ok(database)
}
