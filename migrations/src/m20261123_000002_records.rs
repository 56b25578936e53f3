//! `patients`, `doctors`, `services`, `appointments`. Foreign keys tie an appointment to its three parents.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::{
    big_integer, instant, integer, optional_boolean, optional_date, optional_instant, optional_text, table,
    text, unique_index, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(record_table("patients", patient_columns())).await?;
        manager.create_table(record_table("doctors", doctor_columns())).await?;
        manager
            .create_table(record_table("services", service_columns(manager.get_database_backend())))
            .await?;
        for parent in ["patients", "doctors", "services"] {
            manager.create_index(by_careq_id(parent)).await?;
        }

        let mut appointments = record_table("appointments", appointment_columns());
        for (column, parent) in [
            ("patient_careq_id", "patients"),
            ("doctor_careq_id", "doctors"),
            ("service_careq_id", "services"),
        ] {
            appointments.foreign_key(&mut parent_key(column, parent));
        }
        manager.create_table(appointments).await?;
        manager.create_index(by_careq_id("appointments")).await?;
        manager.create_index(unique_index("appointments", "appointments_hash", &["clinic_id", "hash"])).await
    }
}

fn record_table(name: &str, own: Vec<ColumnDef>) -> TableCreateStatement {
    let identity = [uuid("id"), text("clinic_id"), big_integer("careq_id")];
    let version = [
        optional_instant("created_at"),
        instant("updated_at"),
        instant("version_accepted_at"),
        text("version_event_id"),
        instant("synced_at"),
    ];
    table(name, identity.into_iter().chain(own).chain(version))
}

fn by_careq_id(table: &str) -> IndexCreateStatement {
    unique_index(table, &format!("{table}_careq_id"), &["clinic_id", "careq_id"])
}

fn parent_key(column: &str, parent: &str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("appointments_{parent}"))
        .from(Alias::new("appointments"), (Alias::new("clinic_id"), Alias::new(column)))
        .to(Alias::new(parent), (Alias::new("clinic_id"), Alias::new("careq_id")))
        .to_owned()
}

fn optional_texts<const N: usize>(names: [&str; N]) -> impl Iterator<Item = ColumnDef> {
    names.map(optional_text).into_iter()
}

fn patient_columns() -> Vec<ColumnDef> {
    let mut columns =
        vec![text("first_name"), text("last_name"), text("phone_number"), optional_date("date_of_birth")];
    columns.extend(optional_texts([
        "email",
        "gender",
        "address",
        "city",
        "state",
        "zip_code",
        "aadhar_number",
        "spouse_name",
        "father_name",
        "custom_field_1",
        "custom_field_2",
        "custom_field_3",
        "custom_field_4",
        "custom_field_5",
        "notes",
        "timezone",
        "language",
    ]));
    columns
}

fn doctor_columns() -> Vec<ColumnDef> {
    let mut columns = vec![text("first_name"), text("last_name"), optional_boolean("is_private")];
    columns.extend(optional_texts([
        "email",
        "phone_number",
        "mobile_number",
        "address",
        "city",
        "state",
        "zip_code",
        "specialization",
        "notes",
        "timezone",
        "language",
    ]));
    columns
}

fn service_columns(backend: DbBackend) -> Vec<ColumnDef> {
    let mut price = ColumnDef::new(Alias::new("price"));
    // `numeric` without a scale keeps 500.10 as sent; SQLite keeps exact decimals only as text.
    let price = if backend == DbBackend::Sqlite { price.text() } else { price.decimal() };
    let mut columns =
        vec![text("name"), integer("duration"), price.to_owned(), optional_boolean("is_private")];
    columns.extend(optional_texts(["currency", "description", "location", "color", "category"]));
    columns
}

fn appointment_columns() -> Vec<ColumnDef> {
    let mut columns = vec![
        big_integer("patient_careq_id"),
        big_integer("doctor_careq_id"),
        big_integer("service_careq_id"),
        instant("book_datetime"),
        instant("start_datetime"),
        instant("end_datetime"),
        text("confirmation_number"),
        text("status"),
        instant("status_updated_at"),
        instant("status_accepted_at"),
        text("status_event_id"),
        optional_instant("cancelled_at"),
    ];
    columns.extend(optional_texts([
        "location",
        "notes",
        "prescription",
        "referred_by",
        "referred_by_address",
        "color",
        "hash",
        "status_notes",
        "cancellation_reason",
        "cancelled_by",
    ]));
    columns
}
