//! Batches of the probing clinic, in addition to the simulator's load. Each is sent until it is accepted, as CareQ does.

use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::Value;

use crate::harness::Client;
use crate::trial::Trial;

/// Maximum number of concurrent batches.
const AT_ONCE: usize = 4;

/// Sends the batches with these numbers.
pub(crate) async fn fill(client: &Client, numbers: Range<u64>, batch: fn(u64) -> Value) {
    let sending = stream::iter(numbers).map(|number| accepted(client, batch(number)));
    sending.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

async fn accepted(client: &Client, batch: Value) {
    for _ in 0..20 {
        let posting = client.try_post("/batch", &batch, &[("Prefer", "respond-async")]);
        let answer = tokio::time::timeout(Duration::from_secs(20), posting).await.ok().flatten();
        match answer.map(|answer| answer.status) {
            Some(202) => return,
            Some(503) | None => tokio::time::sleep(Duration::from_millis(500)).await,
            Some(status) => panic!("{} was answered {status}", batch["batch_id"]),
        }
    }
    panic!("{} was never accepted", batch["batch_id"]);
}

/// Result of a `SELECT count(*)` once it is `expected`, or after a minute: the last batches may still be in the queue.
pub(crate) async fn count_within_a_minute(trial: &Trial, select: &str, expected: u64) -> u64 {
    for _ in 0..60 {
        if count(trial, select).await == expected {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    count(trial, select).await
}

/// Result of a `SELECT count(*)`.
pub(crate) async fn count(trial: &Trial, select: &str) -> u64 {
    let statement = Statement::from_string(DatabaseBackend::Postgres, select);
    let row = trial.database.query_one(statement).await.unwrap().unwrap();
    u64::try_from(row.try_get_by_index::<i64>(0).unwrap()).unwrap()
}
