//! The whole service.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Installation, Running};
use crate::harness::{Answer, DiskFault, patient, until, until_reads, until_within};

/// Calls that write, of one transaction on the queue or on the database; a failure is tried before each.
const CALLS: i32 = 7;

/// A lane looks again at a database at most 8 s later.
const STORED_WITHIN: Duration = Duration::from_secs(25);

/// What CareQ has sent.
#[derive(Default)]
struct Sent {
    last_id: i64,
    acknowledged: Vec<Value>,
}

impl Sent {
    /// Patients, at the same time; how many were acknowledged. Others are told to come again.
    async fn patients(&mut self, running: &Running, count: i64, notes: usize) -> usize {
        let ids = self.last_id + 1..=self.last_id + count;
        self.last_id += count;
        let sending = ids.map(|id| send(running, id, notes));
        let mut acknowledged = 0;
        for answer in join_all(sending).await {
            if answer.status == 503 {
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
            } else {
                assert!(matches!(answer.status, 201 | 202), "{answer:?}");
                self.acknowledged.push(answer.body["data"]["event_id"].clone());
                acknowledged += 1;
            }
        }
        acknowledged
    }

    /// By the status pages.
    async fn are_stored(&self, running: &Running) {
        for event_id in &self.acknowledged {
            let stored = async || running.client.event_is(event_id, "synced").await;
            until_within(STORED_WITHIN, &format!("{event_id} is stored"), stored).await;
        }
    }
}

async fn send(running: &Running, id: i64, notes: usize) -> Answer {
    let mut body = patient(id);
    body["notes"] = json!("n".repeat(notes));
    running.client.post("/patient", &body).await
}

#[tokio::test]
async fn what_is_acknowledged_on_a_failing_disk_is_stored() {
    join_all(DiskFault::ALL.map(acknowledged_is_stored)).await;
}

async fn acknowledged_is_stored(fault: DiskFault) {
    let installation = Installation::failing("");
    let disk = &installation.disk;
    let mut sent = Sent::default();
    for is_killed in [false, true] {
        let running = installation.start().await;
        assert_eq!(sent.patients(&running, 1, 0).await, 1);
        // One to three failures in a row, wherever they come.
        for failing in 1..=3 {
            for succeeding in 0..CALLS {
                disk.fails_later(fault, succeeding, failing);
                sent.patients(&running, 2, 100).await;
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
            sent.are_stored(&running).await;
            assert!(running.process.stop().await.success);
            assert_eq!(installation.count("queue.db", "messages").await, 0, "{fault:?}: all were settled");
        }
    }
    let stored =
        installation.count("careq.db", "patients").await + installation.count("queue.db", "messages").await;
    assert!(stored >= i64::try_from(sent.acknowledged.len()).unwrap(), "{fault:?}: {stored}");
    let running = installation.start().await;
    sent.are_stored(&running).await;
    assert_eq!(installation.blamed().await, 0, "{fault:?}");
    running.process.stop().await;
}

#[tokio::test]
async fn a_failing_disk_is_told_and_the_service_goes_on_by_itself() {
    join_all(DiskFault::ALL.map(told_and_over)).await;
}

async fn told_and_over(fault: DiskFault) {
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
    let told = "the embedded queue cannot be written";
    assert_eq!(running.times_logged(told), 1, "{fault:?}: {}", running.process.stderr());
    installation.disk.works();
    // Without a request that would find it out.
    let ready = || async { running.readiness().await };
    until_reads(Duration::from_secs(5), "it is ready again", &200, ready).await;
    assert_eq!((running.metric("broker_up").await, running.times_logged(told)), (1.0, 1));
    assert_eq!(sent.patients(&running, 2, 0).await, 2);
    sent.are_stored(&running).await;
    running.process.stop().await;
}

#[tokio::test]
async fn what_the_database_cannot_store_waits_in_the_queue() {
    join_all(DiskFault::ALL.map(waits_in_the_queue)).await;
}

/// The disk of the database alone fails.
async fn waits_in_the_queue(fault: DiskFault) {
    let installation = Installation::failing("careq.db");
    let mut sent = Sent::default();
    for is_killed in [false, true] {
        let running = installation.start().await;
        installation.disk.fails(fault);
        assert_eq!(sent.patients(&running, 10, 0).await, 10, "the queue takes them");
        let blamed = "the database cannot be used; events wait in the queue meanwhile";
        until("a lane has met the disk", || async { (running.times_logged(blamed) > 0).then_some(()) }).await;
        if is_killed {
            running.process.kill().await;
            assert_eq!(installation.count("queue.db", "messages").await, 10, "{fault:?}");
        } else {
            installation.disk.works();
            sent.are_stored(&running).await;
            running.process.stop().await;
            assert_eq!(installation.count("queue.db", "messages").await, 0, "{fault:?}");
        }
        installation.disk.works();
    }
    let running = installation.start().await;
    sent.are_stored(&running).await;
    assert_eq!(installation.blamed().await, 0, "{fault:?}");
    running.process.stop().await;
}
