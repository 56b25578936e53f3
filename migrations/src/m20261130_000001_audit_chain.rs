//! The audit chain: each entry has a sequence number, the digest before it and its own digest. `audit_head` holds the
//! ends of the chain. Tokens of admins expire; tokens without an expiry have 90 days from now.

use sea_orm_migration::prelude::*;

use crate::columns::{
    big_integer, instant, integer, optional_big_integer, optional_instant, optional_text, table, text,
    unique_index,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite accepts one column per statement.
        for mut column in
            [optional_big_integer("sequence"), optional_text("previous"), optional_text("digest")]
        {
            let alter = Table::alter().table(Alias::new("audit_log")).add_column(&mut column).to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_index(unique_index("audit_log", "audit_log_by_sequence", &["sequence"])).await?;
        let columns = [
            integer("id"),
            big_integer("first"),
            big_integer("sequence"),
            instant("at"),
            text("digest"),
            big_integer("unchained"),
        ];
        manager.create_table(table("audit_head", columns)).await?;
        let mut expires_at = optional_instant("expires_at");
        let alter = Table::alter().table(Alias::new("admins")).add_column(&mut expires_at).to_owned();
        manager.alter_table(alter).await?;
        let in_90_days = match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DbBackend::Postgres => "now() + interval '90 days'",
            _ => "strftime('%Y-%m-%dT%H:%M:%S', 'now', '+90 days') || '+00:00'",
        };
        manager
            .get_connection()
            .execute_unprepared(&format!(
                "INSERT INTO audit_head (id, first, sequence, at, digest, unchained)
                     SELECT 1, 1, 0, '2000-01-01T00:00:00+00:00', '', count(*) FROM audit_log;
                 UPDATE admins SET expires_at = {in_90_days};"
            ))
            .await
            .map(drop)
    }
}
