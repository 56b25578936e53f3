//! What a clinic may have of its own at the door: a rate, networks, and secrets beside its token. The columns for secrets
//! hold digests or sealed values, and must never hold a secret in clear.

use sea_orm_migration::prelude::*;

use crate::columns::{optional_integer, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column a statement: SQLite takes no more.
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
        // The word that the command line has for it, too.
        let words = "UPDATE clinic_credentials SET kind = 'token' WHERE kind = 'bearer'";
        manager.get_connection().execute_unprepared(words).await.map(drop)
    }
}
