//! The rename of `content_sha256` to `content_digest`: the digest is an HMAC now. Earlier digests match no new ones,
//! so a request from before that is sent again is a new event.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["events", "batches"] {
            let rename = Table::alter()
                .table(Alias::new(table))
                .rename_column(Alias::new("content_sha256"), Alias::new("content_digest"))
                .to_owned();
            manager.alter_table(rename).await?;
        }
        Ok(())
    }
}
