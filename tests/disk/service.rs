//! The whole service on a failing disk.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Installation, Running};
use crate::harness::{Answer, CLINIC, DiskFault, patient, until, until_reads, until_within};

/// Number of write calls of one transaction on the queue or the database; a failure is injected before each.
const CALLS: i32 = 7;

/// A worker retries the database after at most 8 s.
const STORED_WITHIN: Duration = Duration::from_secs(25);

/// The events that CareQ has sent.
#[derive(Default)]
struct Sent {
    last_id: i64,
    /// `careq_id` of the acknowledged records.
    acknowledged: Vec<i64>,
    /// Event ids of the acknowledged webhooks.
    events: Vec<Value>,
}

impl Sent {
    /// Sends patients concurrently and returns how many were acknowledged. The others are answered with
    /// `Retry-After`.
    async fn patients(&mut self, running: &Running, count: i64, notes: usize) -> usize {
        let ids = self.last_id + 1..=self.last_id + count;
        self.last_id += count;
        let sending = ids.map(async |id| {
            let mut body = patient(id);
            body["notes"] = json!("n".repeat(notes));
            (id, running.client.post("/patient", &body).await)
        });
        let before = self.acknowledged.len();
        for (id, answer) in join_all(sending).await {
            if is_acknowledged(&answer) {
                self.acknowledged.push(id);
                self.events.push(answer.body["data"]["event_id"].clone());
            }
        }
        self.acknowledged.len() - before
    }

    /// Sends a batch of patients.
    async fn batch(&mut self, running: &Running, count: i64) {
        let ids = self.last_id + 1..=self.last_id + count;
        self.last_id += count;
        let record = |id| json!({ "type": "patient", "data": patient(id) });
        let records: Vec<_> = ids.clone().map(record).collect();
        let batch = json!({ "clinic_id": CLINIC, "batch_id": self.last_id.to_string(), "records": records });
        if is_acknowledged(&running.client.post("/batch", &batch).await) {
            self.acknowledged.extend(ids);
        }
    }

    /// Asserts it with the status pages, and with another connection to the database.
    async fn are_stored(&self, installation: &Installation, running: &Running) {
        for event_id in &self.events {
            let stored = async || running.client.event_is(event_id, "synced").await;
            until_within(STORED_WITHIN, &format!("{event_id} is stored"), stored).await;
        }
        let all = i64::try_from(self.acknowledged.len()).unwrap();
        let rows =
            format!("patients WHERE careq_id IN (SELECT value FROM json_each('{:?}'))", self.acknowledged);
        let stored = || installation.count("careq.db", &rows);
        until_reads(STORED_WITHIN, "another connection sees every patient", &all, stored).await;
        assert_eq!(installation.failed_or_parked().await, 0);
    }
}

/// Asserts that a refused request gets `Retry-After`.
fn is_acknowledged(answer: &Answer) -> bool {
    if answer.status == 503 {
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        return false;
    }
    assert!(matches!(answer.status, 200..=202), "{answer:?}");
    true
}

#[tokio::test]
async fn events_acknowledged_on_a_failing_disk_are_stored() {
    join_all(DiskFault::ALL.map(acknowledged_is_stored)).await;
}

async fn acknowledged_is_stored(fault: DiskFault) {
    let installation = Installation::failing("");
    let disk = &installation.disk;
    let mut sent = Sent::default();
    for is_killed in [false, true] {
        let running = installation.start().await;
        assert_eq!(sent.patients(&running, 1, 0).await, 1);
        // One to three consecutive failures at any position.
        for failing in 1..=3 {
            for succeeding in 0..CALLS {
                disk.fails_later(fault, succeeding, failing);
                sent.patients(&running, 2, 100).await;
                sent.batch(&running, 3).await;
            }
        }
        disk.fails(fault);
        assert_eq!(sent.patients(&running, 6, 20_000).await, 0, "nothing can be stored");
        disk.works();
        assert_eq!(sent.patients(&running, 30, 0).await, 30, "{fault:?}");
        if is_killed {
            running.process.kill().await;
        } else {
            let queue = || async { running.metric("queue_messages").await };
            until_reads(STORED_WITHIN, "the queue is empty", &0.0, queue).await;
            sent.are_stored(&installation, &running).await;
            assert!(running.process.stop().await.success);
            assert_eq!(installation.count("queue.db", "messages").await, 0, "{fault:?}: all were settled");
        }
    }
    let running = installation.start().await;
    sent.are_stored(&installation, &running).await;
    running.process.stop().await;
}

#[tokio::test]
async fn a_failing_disk_is_reported_and_the_service_recovers_by_itself() {
    join_all(DiskFault::ALL.map(reported_and_recovered)).await;
}

async fn reported_and_recovered(fault: DiskFault) {
    let installation = Installation::failing("");
    let running = installation.start().await;
    let mut sent = Sent::default();
    assert_eq!((running.readiness().await, running.metric("broker_up").await), (200, 1.0));
    assert_eq!(sent.patients(&running, 1, 0).await, 1);
    installation.disk.fails(fault);
    for _ in 0..10 {
        assert_eq!(sent.patients(&running, 2, 0).await, 0, "{fault:?}");
    }
    assert_eq!((running.readiness().await, running.metric("broker_up").await), (503, 0.0));
    let message = "the embedded queue cannot be written";
    assert_eq!(running.times_logged(message), 1, "{fault:?}: {}", running.process.stderr());
    installation.disk.works();
    // The recovery must not depend on a request.
    let ready = || async { running.readiness().await };
    until_reads(Duration::from_secs(5), "the service is ready again", &200, ready).await;
    assert_eq!((running.metric("broker_up").await, running.times_logged(message)), (1.0, 1));
    assert_eq!(sent.patients(&running, 2, 0).await, 2);
    sent.are_stored(&installation, &running).await;
    installation.disk.fails(fault);
    assert_eq!(sent.patients(&running, 1, 0).await, 0);
    assert!(running.process.stop().await.success, "a failing disk does not delay the shutdown");
}

#[tokio::test]
async fn events_wait_in_the_queue_while_the_database_fails() {
    join_all(DiskFault::ALL.map(waits_in_the_queue)).await;
}

/// How the disk error ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Mended,
    Terminated,
    Killed,
}

/// Only the disk of the database fails.
async fn waits_in_the_queue(fault: DiskFault) {
    let installation = Installation::failing("careq.db");
    let mut sent = Sent::default();
    for ending in [Ending::Mended, Ending::Terminated, Ending::Killed] {
        let running = installation.start().await;
        sent.are_stored(&installation, &running).await;
        installation.disk.fails(fault);
        assert_eq!(sent.patients(&running, 10, 0).await, 10, "the queue accepts the events");
        let waits = "the database cannot be used; events wait in the queue meanwhile";
        until("a worker has logged the disk error", async || (running.times_logged(waits) > 0).then_some(()))
            .await;
        if ending == Ending::Mended {
            installation.disk.works();
            sent.are_stored(&installation, &running).await;
        }
        let left = if ending == Ending::Killed {
            running.process.kill().await;
            installation.count("queue.db", "messages").await
        } else {
            assert!(running.process.stop().await.success);
            // The messages have not been delivered.
            installation.count("queue.db", "messages WHERE in_flight = 0 AND deliveries = 0").await
        };
        assert_eq!(left, if ending == Ending::Mended { 0 } else { 10 }, "{fault:?} {ending:?}");
        installation.disk.works();
    }
    let running = installation.start().await;
    sent.are_stored(&installation, &running).await;
    running.process.stop().await;
}
