//! Statements use an index and touch a bounded number of blocks, however long the ledger is. The statements of an
//! ingress, a worker, its sweeps, its replays, its retention and its metrics are recorded while they run, and then
//! explained. No statement is copied into this test, because the copy would become outdated.

mod fill;
mod first_burst;
mod plans;
mod traffic;

use std::collections::BTreeSet;

use crate::harness::{Backend, FreshDatabase};
use plans::Plan;

/// Growing tables, which no statement may read as a whole.
const GROWING: [&str; 11] = [
    "events",
    "batches",
    "patients",
    "appointments",
    "parked_events",
    "dead_letters",
    "dead_letter_attempts",
    "replay_job_letters",
    "audit_log",
    "audit_letters",
    "doctors",
];

/// Every index of the ledger is used by one of these statements, and none is used in place of another.
const OF_THE_LEDGER: [&str; 3] = ["events_by_acceptance", "events_idempotency_key", "events_pkey"];

/// Maximum number of 8 KiB blocks of one statement. A sweep needs most: it reads 1,000 parked events and a parent
/// of each. Retention deletes 500 rows from all their indexes.
const MAX_BLOCKS: u64 = 12_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_uses_an_index() {
    // PostgreSQL reads small tables as a whole, so sequential scans are disabled here to check whether an index
    // exists.
    let plans = explain(200_000, "SET LOCAL enable_seqscan = off").await;
    println!("{}", table(&plans));
    judge(&plans);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and gigabytes: `make explain`"]
async fn every_statement_uses_an_index_at_ten_million_events() {
    let plans = explain(10_000_000, "SET LOCAL enable_seqscan = on").await;
    println!("{}", table(&plans));
    judge(&plans);
}

/// SQLite's plans do not depend on the tables' contents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_uses_an_index_on_sqlite() {
    let database = FreshDatabase::new(Backend::Sqlite).await;
    for statement in traffic::statements(&database).await {
        let plan = plans::explain_sqlite(&database.connection, &statement).await;
        for step in &plan {
            let reads_all = |table: &&str| *step == format!("SCAN {table}");
            assert!(!GROWING.iter().any(reads_all), "{}\n{plan:?}", statement.sql);
            assert!(!step.starts_with("SCAN events"), "{}\n{plan:?}", statement.sql);
        }
    }
}

/// Plans of all recorded statements, for a ledger with this number of events and a setting of the planner.
async fn explain(events: i64, planner: &str) -> Vec<Plan> {
    let database = FreshDatabase::new(Backend::Postgres).await;
    fill::tables(&database.connection, events).await;
    let recorded = traffic::statements(&database).await;
    // Deleted rows are inserted again, so that the planner sees rows to delete.
    fill::old_events(&database.connection).await;
    fill::vacuum(&database.connection).await;
    let mut plans = Vec::with_capacity(recorded.len());
    for statement in recorded {
        plans.push(plans::explain(&database.connection, planner, &statement).await);
    }
    plans
}

fn table(plans: &[Plan]) -> String {
    plans.iter().map(Plan::line).collect::<Vec<_>>().join("\n")
}

fn judge(plans: &[Plan]) {
    let mut used = BTreeSet::new();
    for plan in plans {
        for table in GROWING {
            assert!(!plan.reads_all_of(table), "all of {table} is read:\n{}\n{}", plan.statement, plan.text);
        }
        assert!(plan.blocks <= MAX_BLOCKS, "{} blocks:\n{}\n{}", plan.blocks, plan.statement, plan.text);
        used.extend(plan.indexes().into_iter().filter(|index| index.starts_with("events_")));
    }
    assert_eq!(used, BTreeSet::from(OF_THE_LEDGER.map(str::to_owned)), "the ledger's indexes");
}
