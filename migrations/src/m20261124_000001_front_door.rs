//! A clinic's own rate and networks, and secrets other than its token. The columns for secrets hold digests or sealed
//! values.

use sea_orm_migration::prelude::*;

use crate::columns::{optional_integer, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite accepts one column per statement.
        for mut column in
            [optional_integer("rate_per_minute"), optional_integer("rate_burst"), optional_text("addresses")]
        {
            let alter = Table::alter().table(Alias::new("clinics")).add_column(&mut column).to_owned();
            manager.alter_table(alter).await?;
        }
        let rename = Table::alter()
            .table(Alias::new("clinic_credentials"))
            .rename_column(Alias::new("digest"), Alias::new("verifier"))
            .to_owned();
        manager.alter_table(rename).await?;
        // The word of the command line.
        let words = "UPDATE clinic_credentials SET kind = 'token' WHERE kind = 'bearer'";
        manager.get_connection().execute_unprepared(words).await.map(drop)
    }
}
