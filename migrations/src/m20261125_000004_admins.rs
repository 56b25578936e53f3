//! `admins`: the users of the admin API. Tokens are stored as digests only.

use sea_orm_migration::prelude::*;

use crate::columns::{instant, optional_instant, table, text, unique_index};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            text("name"),
            text("role"),
            text("verifier"),
            instant("created_at"),
            optional_instant("rotated_at"),
            optional_instant("disabled_at"),
        ];
        manager.create_table(table("admins", columns)).await?;
        manager.create_index(unique_index("admins", "admins_by_verifier", &["verifier"])).await
    }
}
