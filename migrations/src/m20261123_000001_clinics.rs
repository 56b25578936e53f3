//! `clinics` and `clinic_credentials`. Tokens are stored as digests only.

use sea_orm_migration::prelude::*;

use crate::columns::{bytes, index, instant, optional_instant, optional_integer, table, text, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let clinics = [
            text("clinic_id"),
            bytes("event_key"),
            optional_integer("answer_within_ms"),
            instant("created_at"),
            optional_instant("disabled_at"),
        ];
        manager.create_table(table("clinics", clinics)).await?;

        let credentials = [
            uuid("id"),
            text("clinic_id"),
            text("kind"),
            text("digest"),
            instant("created_at"),
            optional_instant("expires_at"),
        ];
        let mut credentials = table("clinic_credentials", credentials);
        credentials.foreign_key(
            ForeignKey::create()
                .name("clinic_credentials_clinic")
                .from(Alias::new("clinic_credentials"), Alias::new("clinic_id"))
                .to(Alias::new("clinics"), Alias::new("clinic_id")),
        );
        manager.create_table(credentials).await?;
        manager
            .create_index(index("clinic_credentials", "clinic_credentials_by_clinic", &["clinic_id"]))
            .await
    }
}
