//! The types and services that ingress, worker, console and commands share: settings, records, events, ids, results,
//! the broker and the tables.
//!
//! This crate does not depend on the other crates of the workspace.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod crash_point;
pub mod telemetry;
pub mod words;

pub mod records;
pub mod redact;

pub mod canonical;
pub mod event;
pub mod event_key;
pub mod ids;
mod ignore;
pub mod instant;
pub mod json;
pub mod message;
pub mod outcome;

pub mod audit;
pub mod broker;

pub mod clinics;
mod data_folder;
pub mod database;
pub mod dead_letters;
pub mod entities;
pub mod ledger;
pub mod loopback;
pub mod networks;
pub mod refusal;
pub mod replay;
pub mod seal;
pub mod secret;
pub mod server_url;
mod sessions;
mod sqlite;
mod trace_context;
pub mod unreachable;

pub use ignore::ignore;
