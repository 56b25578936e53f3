//! Without a running worker, events are acknowledged, and their pages show `queued`. Pages of unknown events do
//! not.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{CLINIC, Process, Stack, patient, until};

#[tokio::test]
async fn acknowledged_at_once_and_stored_when_a_worker_starts() {
    let mut stack = Stack::full(0, &[("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "250")]).await;
    let client = stack.client.clone();
    let started = Instant::now();
    let mut events = Vec::new();
    let mut after_the_first_second = Vec::new();
    while started.elapsed() < Duration::from_millis(1_600) {
        let asked = Instant::now();
        let is_late = started.elapsed() > Duration::from_secs(1);
        let answer = client.post("/patient", &patient(i64::try_from(events.len()).unwrap() + 1)).await;
        assert_eq!(
            (answer.status, &answer.body["data"]["sync_status"]),
            (202, &json!("queued")),
            "{}",
            answer.body
        );
        events.push(answer.body["data"]["event_id"].clone());
        if is_late {
            after_the_first_second.push(asked.elapsed());
        }
    }
    // The result timeout is a quarter of a second; the rest is for slow machines.
    after_the_first_second.sort();
    let median = after_the_first_second[after_the_first_second.len() / 2];
    assert!(median < Duration::from_millis(200), "{median:?}");

    for event_id in &events {
        let page = client.event_is(event_id, "queued").await.expect("the acknowledged event is queued");
        assert_eq!(page.body["data"]["kind"], "patient");
    }
    let mut forged = events[0].as_str().unwrap().to_owned();
    let letter = forged.chars().nth(20).unwrap();
    forged.replace_range(20..21, if letter == 'A' { "B" } else { "A" });
    assert_eq!(client.get(&format!("/events/{forged}")).await.status, 404);

    let batch = json!({ "clinic_id": CLINIC, "batch_id": "early", "records": [
        { "type": "patient", "data": patient(9_000) }, { "type": "patient", "data": {} },
    ]});
    let accepted = client.post_with("/batch", &batch, &[("Prefer", "respond-async")]).await;
    assert_eq!((accepted.status, &accepted.body["data"]["pending"]), (202, &json!(1)), "{}", accepted.body);
    let status_url = accepted.body["data"]["status_url"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&status_url).await.body["data"]["sync_status"], "queued");
    assert_eq!(client.get("/batch/never").await.status, 404);

    stack.start_worker().await;
    for event_id in &events {
        until("the event is stored", || client.event_is(event_id, "synced")).await;
    }
    let reported = || async {
        let page = client.get(&status_url).await;
        (page.body["data"]["successful"] == 1).then_some(page)
    };
    assert_eq!(until("the batch is reported", reported).await.body["data"]["failed"], 1);
    // Results are fast again, so responses wait for them.
    let again = || async {
        let answer = client.post("/patient", &patient(9_001)).await;
        (answer.status == 201).then_some(())
    };
    until("responses contain results again", again).await;
    stack.finish().await;
}

/// In a burst, at most 32 requests wait for results. Further ones are acknowledged at once unless they ask to
/// wait.
#[tokio::test]
async fn the_rest_of_a_burst_is_acknowledged_at_once() {
    const BURST: i64 = 40;
    let mut stack = Stack::full(0, &[("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "25000")]).await;
    let mut answers = JoinSet::new();
    for careq_id in 1..=BURST {
        let client = stack.client.clone();
        answers.spawn(async move { client.post("/patient", &patient(careq_id)).await.status });
    }
    for _ in 32..BURST {
        let answer = timeout(Duration::from_secs(15), answers.join_next()).await;
        assert_eq!(answer.expect("no response waits for a result").unwrap().unwrap(), 202);
    }

    stack.start_worker().await;
    let rest = answers.join_all().await;
    assert!(rest.contains(&201), "the first requests waited: {rest:?}");
    assert!(rest.iter().all(|status| [201, 202].contains(status)), "{rest:?}");
    assert_eq!(
        stack.client.post("/patient", &patient(BURST + 1)).await.status,
        201,
        "the response contains its result after the burst"
    );
    stack.finish().await;
}

/// A clinic may have its own result timeout, which every ingress applies without a restart.
#[tokio::test]
async fn a_clinic_that_never_waits_is_answered_at_once() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_CLINICS_REFRESH_INTERVAL_S", "1")]).await;
    assert_eq!(stack.client.post("/patient", &patient(1)).await.status, 201, "the default is to wait");
    let configure = ["clinic", "configure", CLINIC, "--answer-within-ms", "0"];
    let configured = Process::run(&configure, &[("CAREQ_DATABASE_URL", &stack.database.url)]).await;
    assert!(configured.success, "{}", configured.stderr);
    let queued = || async { (stack.client.post("/patient", &patient(1)).await.status == 202).then_some(()) };
    until("the ingress applies the setting", queued).await;
    stack.finish().await;
}
