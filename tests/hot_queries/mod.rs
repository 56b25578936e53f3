//! However long the ledger is, what everybody waits for goes by an index, and touches as much as with a short one: each statement that an
//! ingress, a worker, its sweeps, its replays, its forgetting and the metrics issue, heard while they run and explained afterwards. A
//! statement must never be written down here: it would drift from the one that is issued.

mod fill;
mod first_burst;
mod plans;
mod traffic;

use std::collections::BTreeSet;

use crate::harness::{Backend, FreshDatabase};
use plans::Plan;

/// Tables that grow with what CareQ sends. Reading one from its beginning to its end takes for ever one day.
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

/// Every index of the ledger is there for one of these statements; none is used in another's place.
const OF_THE_LEDGER: [&str; 3] = ["events_by_acceptance", "events_idempotency_key", "events_pkey"];

/// Blocks of 8 KiB that one statement may touch. The most are those of a sweep, which looks at 1,000 parked events, and for a parent of
/// each, and of forgetting, which looks at 500 rows in every index that has them.
const MAX_BLOCKS: u64 = 12_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_goes_by_an_index() {
    // A table that is still small is rightly read as a whole; what is asked here is whether there is an index for it.
    let plans = explain(200_000, "SET LOCAL enable_seqscan = off").await;
    println!("{}", table(&plans));
    judge(&plans);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and gigabytes: `make explain`"]
async fn every_statement_goes_by_an_index_at_ten_million_events() {
    let plans = explain(10_000_000, "SET LOCAL enable_seqscan = on").await;
    println!("{}", table(&plans));
    judge(&plans);
}

/// SQLite says what it will do before anything is in the tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_goes_by_an_index_on_sqlite() {
    let database = FreshDatabase::new(Backend::Sqlite).await;
    for statement in traffic::of_everyone(&database).await {
        let plan = plans::of_sqlite(&database.connection, &statement).await;
        for step in &plan {
            let reads_all = |table: &&str| *step == format!("SCAN {table}");
            assert!(!GROWING.iter().any(reads_all), "{}\n{plan:?}", statement.sql);
            assert!(!step.starts_with("SCAN events"), "{}\n{plan:?}", statement.sql);
        }
    }
}

/// The plans of what everyone says, with so many events in the ledger and a setting of the planner.
async fn explain(events: i64, planner: &str) -> Vec<Plan> {
    let database = FreshDatabase::new(Backend::Postgres).await;
    fill::tables(&database.connection, events).await;
    let heard = traffic::of_everyone(&database).await;
    // What was forgotten meanwhile is there again, to be forgotten under the eyes of the planner.
    fill::old_events(&database.connection).await;
    fill::vacuum(&database.connection).await;
    let mut plans = Vec::with_capacity(heard.len());
    for statement in heard {
        plans.push(plans::of(&database.connection, planner, &statement).await);
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
