//! The types and services that ingress, worker, console and commands share: settings, records, events, ids, results,
//! the broker and the tables.
//!
//! This crate does not depend on the other crates of the workspace.
#![expect(
    clippy::missing_panics_doc,
    reason = "an `expect` says why it cannot fail; a panic that can happen is documented"
)]
#![expect(clippy::must_use_candidate, reason = "a value of a getter that is not used does no harm")]

pub mod audit;
pub mod backoff;
pub mod broker;
pub mod canonical;
pub mod clinics;
pub mod clock;
pub mod config;
pub mod crash_point;
mod data_folder;
pub mod database;
pub mod dead_letters;
pub mod entities;
pub mod event;
pub mod event_key;
pub mod ids;
pub mod instant;
pub mod json;
pub mod ledger;
pub mod message;
pub mod networks;
pub mod outcome;
pub mod processes;
pub mod records;
pub mod redact;
pub mod refusal;
pub mod replay;
pub mod seal;
pub mod secret;
pub mod server_url;
mod sessions;
mod sqlite;
pub mod telemetry;
mod trace_context;
pub mod unreachable;
pub mod words;

/// Discards `result`, whether it is a value or an error.
///
/// `reason` is for the reader of the call: it says why the error changes nothing. Nothing is logged.
/// Use it only if the caller needs no value and has no remedy, such as a send to a receiver that may be gone.
/// An error that a person should see is logged; an error that makes a later value wrong is returned.
pub fn ignore<T, E>(result: Result<T, E>, reason: &'static str) {
    drop((result, reason));
}
