//! The tables as sea-orm entities, one file each; `migrations` creates them. Columns that hold CareQ's data have the
//! specification's names.
#![expect(missing_docs, reason = "columns speak for themselves, and derives add items without documentation")]

/// Completes a model that has no relations and no behavior of its own.
macro_rules! plain_table {
    () => {
        #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}

pub mod admin;
pub mod appointment;
pub mod audit_entry;
pub mod audit_head;
pub mod audit_letter;
pub mod batch;
pub mod clinic;
pub mod clinic_credential;
pub mod dead_letter;
pub mod dead_letter_attempt;
pub mod doctor;
pub mod event;
pub mod lease;
pub mod parked_event;
pub mod patient;
pub mod process;
pub mod replay_job;
pub mod replay_job_letter;
pub mod service;
mod stored_price;

pub use stored_price::StoredPrice;

use sea_orm::EntityName as _;

/// The name of every table, for checks of permissions.
pub fn tables() -> Vec<String> {
    let lasting = [
        admin::Entity.table_name(),
        appointment::Entity.table_name(),
        audit_head::Entity.table_name(),
        clinic::Entity.table_name(),
        doctor::Entity.table_name(),
        lease::Entity.table_name(),
        patient::Entity.table_name(),
        service::Entity.table_name(),
    ];
    lasting.map(str::to_owned).into_iter().chain(deleted_from()).collect()
}

/// The names of the tables from which rows are deleted: parked events, replaced secrets, ended processes, and expired rows
/// (`[retention]`).
pub fn deleted_from() -> [String; 11] {
    [
        clinic_credential::Entity.table_name(),
        parked_event::Entity.table_name(),
        process::Entity.table_name(),
        event::Entity.table_name(),
        batch::Entity.table_name(),
        dead_letter::Entity.table_name(),
        dead_letter_attempt::Entity.table_name(),
        replay_job::Entity.table_name(),
        replay_job_letter::Entity.table_name(),
        audit_entry::Entity.table_name(),
        audit_letter::Entity.table_name(),
    ]
    .map(str::to_owned)
}
