//! The tables as sea-orm sees them, one file each; `migrations` makes them. Columns that hold CareQ's data bear the
//! specification's names. A rule must never stand here: records and worker have them.
#![expect(missing_docs, reason = "columns speak for themselves, and derives add items without documentation")]

pub mod clinic;
pub mod clinic_credential;

pub mod patient;

pub mod doctor;

pub mod service;
mod stored_price;

pub mod admin;
pub mod appointment;

pub mod event;

pub mod batch;

pub mod parked_event;

pub mod dead_letter;
pub mod dead_letter_attempt;

pub mod replay_job;
pub mod replay_job_letter;

pub mod audit_entry;
pub mod audit_letter;

pub mod lease;

pub use stored_price::StoredPrice;
