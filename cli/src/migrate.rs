//! `careq-sync migrate`, and the same at the start of every process. It must never be needed by hand.

use anyhow::{Result, anyhow};
use careq_shared::config::Config;
use careq_shared::{database, refusal};
use sea_orm::DatabaseConnection;

const NOT_UP_TO_DATE: &str = "the database's tables could not be brought up to date";

const NOT_ALLOWED: &str = "the database's tables could not be brought up to date; the user of database.url must be allowed to create tables";

pub(crate) async fn run(config: &Config) -> Result<()> {
    let database = connect(config).await?;
    database.close().await?;
    crate::environment::print("The database's tables are up to date.");
    Ok(())
}

/// A connection to a database whose tables are up to date.
pub(crate) async fn connect(config: &Config) -> Result<DatabaseConnection> {
    let database = database::connect(config).await?;
    careq_migrations::up(&database).await.map_err(|fault| {
        let is_of_the_disk = refusal::advice(&fault).is_some();
        anyhow!(fault).context(if is_of_the_disk { NOT_UP_TO_DATE } else { NOT_ALLOWED })
    })?;
    Ok(database)
}
