//! Whole-system tests on real servers. A test must never sleep for a result, share a database or a queue with another, or
//! pass when a server is missing.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, unused_imports, reason = "the other test program uses the rest")]
mod harness;

mod tidy;

mod settings;

mod first_start;

mod conformance;

mod outcomes;

mod waiting;

mod retention;

mod hot_queries;

mod versions;

mod rows;

mod queued;

mod bad_input;

mod broker_contract;

mod partitions;

mod histories;

mod lost_unpark;

mod poison;

mod locked_rows;

mod triggers;

mod failover;

mod bounds;

mod dead_letters;

mod simulator;

mod attacks;
mod audit;

mod admin_api;

mod clock;

mod duplicates;

mod round_trips;

mod deliveries;

mod credentials;

mod sealing;

mod overload;

mod rate_limit;

mod hostile_bodies;

mod healthcheck;

mod drain;

mod disk;

mod containers;

mod logs;

mod metrics;

mod modules;

mod watching;

mod traces;

#[expect(dead_code, reason = "the other test program uses the rest")]
#[path = "faults/proxy.rs"]
mod proxy;

#[expect(dead_code, reason = "the other test program uses the rest")]
#[path = "faults/servers/mod.rs"]
mod servers;

mod doctor;

mod openapi;

mod schemathesis;
