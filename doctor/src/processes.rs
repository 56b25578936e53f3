//! The registered processes: whether they know the same partitions, and whether each consumer can have one.

use std::collections::BTreeSet;
use std::time::Duration;

use careq_shared::config::Process;
use careq_shared::processes::{self, Registered};
use sea_orm::DatabaseConnection;

use crate::report::{Finding, Reached, query_failed};

/// The age at which a row is of an ended process, as for workers (`worker/src/assignment/liveness.rs`).
const ENDED_AFTER: Duration = Duration::from_secs(6);

/// Examines the registered processes, and returns whether a worker runs.
pub(crate) async fn examine(database: &DatabaseConnection) -> Reached<bool> {
    let rows = match processes::all(database).await {
        Ok(rows) => rows,
        Err(fault) => return (vec![query_failed(&fault)], None),
    };
    let running: Vec<_> = rows.into_iter().filter(|row| row.age() < ENDED_AFTER).collect();
    let workers: Vec<_> = running.iter().filter(|row| consumes(row)).collect();
    let consumers: i64 = workers.iter().map(|worker| i64::from(worker.concurrency)).sum();
    // A console knows no partitions.
    let known: BTreeSet<_> = running.iter().map(|row| row.partitions).filter(|count| *count > 0).collect();
    let partitions = known.last().copied().unwrap_or_default();
    let mut findings = Vec::new();
    if known.len() > 1 {
        let counts: Vec<_> = known.iter().map(i32::to_string).collect();
        let seen = format!("running processes know different numbers of partitions: {}", counts.join(", "));
        findings.push(
            Finding::warning("processes.partitions_differ", seen)
                .means("new events of a clinic may go to another partition than before, so two consumers may have them at once; nothing is lost")
                .remedy(
                    "set broker.partitions (CAREQ_BROKER_PARTITIONS) to the same number everywhere, and restart every process \
                     (docs/guide/scale-out.md)",
                ),
        );
    }
    if consumers > i64::from(partitions) {
        let seen = format!("the workers have {consumers} consumers, and there are {partitions} partitions");
        findings.push(
            Finding::warning("processes.idle_consumers", seen)
                .means("a partition has one consumer, so the others do nothing")
                .remedy("run fewer workers, lower worker.concurrency, or raise broker.partitions (docs/guide/scale-out.md)"),
        );
    }
    if findings.is_empty() {
        findings.push(if running.is_empty() {
            Finding::well("processes.none", "no process runs")
        } else {
            let (processes, workers) = (running.len(), workers.len());
            let seen = format!(
                "{processes} processes run, of these {workers} workers, whose {consumers} consumers share {partitions} partitions"
            );
            Finding::well("processes.well", seen)
        });
    }
    (findings, Some(!workers.is_empty()))
}

/// Whether a process reads the queues.
fn consumes(row: &Registered) -> bool {
    [Process::Worker, Process::Standalone].map(Process::runs_on).contains(&Some(row.kind.as_str()))
}
