//! Metrics count exactly, and are exposed while the database and the broker are down.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use careq_shared::telemetry::metrics::LIST;
use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::{
    CLINIC, FreshDatabase, OTHER_TOKEN, PARTITIONS, Stack, amqp_url, patient, sample, send, until,
};
use crate::poison::REFUSE_FOR_NOW;
use crate::proxy::{Line, Proxy};

/// Each clinic may send a burst of this size, and nothing more within a minute.
const BURST: u32 = 30;

/// The settings under which [`known_traffic`] gets its responses.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("CAREQ_INGRESS_RATE_PER_MINUTE", "1"),
    ("CAREQ_INGRESS_RATE_BURST", "30"),
    ("CAREQ_TELEMETRY_MEASURE_INTERVAL_S", "2"),
    ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1"),
];

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&SETTINGS).await;
    known_traffic(&stack).await;
    is_counted(&stack).await;
    is_measured(&stack).await;
    becomes(&stack, "assigned_partitions", &[], 1.0).await;
    is_exposed(&stack, &[("standalone", 1.0)]).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq_with_two_workers() {
    let stack = Stack::full(2, &SETTINGS).await;
    known_traffic(&stack).await;
    is_counted(&stack).await;
    is_measured(&stack).await;
    becomes(&stack, "assigned_partitions", &[], PARTITIONS.into()).await;
    a_further_attempt(&stack).await;
    a_replay(&stack).await;
    is_exposed(&stack, &[("ingress", 1.0), ("worker", 2.0)]).await;
    stack.finish().await;
}

/// Requests with every kind of response and result.
pub(crate) async fn known_traffic(stack: &Stack) {
    let client = &stack.client;
    let john = sample("/patient");
    let with = |change: Value| {
        let mut body = john.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let newer = with(json!({ "city": "Pune", "updated_at": "2025-12-11T10:00:00Z" }));
    let older = with(json!({ "city": "Goa", "updated_at": "2025-12-01T10:00:00Z" }));
    for (body, status) in
        [(&john, 201), (&john, 201), (&newer, 200), (&older, 200), (&with(json!({ "email": 1 })), 422)]
    {
        assert_eq!(client.post("/patient", body).await.status, status);
    }
    // The appointment's doctor and service are missing.
    assert_eq!(client.post("/appointment", &sample("/appointment")).await.status, 422);
    for (notes, status) in [("one", 201), ("two", 409)] {
        let doctor = with(json!({ "careq_id": 7, "notes": notes }));
        assert_eq!(client.post_with("/doctor", &doctor, &[("idempotency-key", "k")]).await.status, status);
    }
    let record = |data: Value| json!({ "type": "patient", "data": data });
    let records = [record(patient(1)), record(patient(2)), record(json!({}))];
    let batch = json!({ "clinic_id": CLINIC, "batch_id": "b", "records": records });
    assert_eq!(client.post("/batch", &batch).await.status, 200);
    assert_eq!(client.with_token("wrong").post("/patient", &john).await.status, 401);
    assert_eq!(send(client.bare(Method::GET, "/../../nowhere")).await.status, 404);
    let other = client.with_token(OTHER_TOKEN);
    for _ in 0..BURST {
        assert_eq!(other.get("/health").await.status, 200);
    }
    for _ in 0..3 {
        assert_eq!(other.get("/health").await.status, 429);
    }
}

async fn is_counted(stack: &Stack) {
    for (name, labels, expected) in [
        ("accepted_events_total", &[("kind", "patient")][..], 6.0),
        ("accepted_events_total", &[("kind", "doctor")], 2.0),
        ("accepted_events_total", &[("kind", "appointment")], 1.0),
        ("accepted_events_total", &[], 9.0),
        ("answers_total", &[("endpoint", "/api/v1/careq-sync/patient"), ("status", "201")], 2.0),
        ("answers_total", &[("endpoint", "/api/v1/careq-sync/patient"), ("status", "200")], 2.0),
        ("answers_total", &[("endpoint", "/api/v1/careq-sync/patient"), ("status", "422")], 1.0),
        ("answers_total", &[("status", "401")], 1.0),
        ("answers_total", &[("status", "409")], 1.0),
        ("answers_total", &[("status", "429")], 3.0),
        ("answers_total", &[("endpoint", ""), ("status", "404")], 1.0),
        ("answers_total", &[], 11.0 + 33.0),
        ("answer_duration_seconds_count", &[], 11.0 + 33.0),
        ("rate_limited_requests_total", &[], 3.0),
        ("turned_away_requests_total", &[], 0.0),
        ("confirm_duration_seconds_count", &[("queue", "live")], 7.0),
        ("confirm_duration_seconds_count", &[("queue", "bulk")], 1.0),
        ("batch_messages_sum", &[("queue", "live")], 7.0),
        ("batch_duration_seconds_count", &[("queue", "bulk")], 1.0),
        ("results_total", &[("kind", "patient"), ("outcome", "created")], 3.0),
        ("results_total", &[("outcome", "updated")], 1.0),
        ("results_total", &[("outcome", "unchanged")], 1.0),
        ("results_total", &[("outcome", "repeated")], 1.0),
        ("results_total", &[("kind", "appointment"), ("outcome", "waiting")], 1.0),
        ("results_total", &[("kind", "doctor"), ("outcome", "created")], 1.0),
        ("results_total", &[("kind", "doctor"), ("outcome", "failed")], 1.0),
        ("results_total", &[], 9.0),
        ("event_settling_duration_seconds_count", &[], 7.0),
        ("written_dead_letters_total", &[("class", "conflict")], 1.0),
        ("written_dead_letters_total", &[], 1.0),
        ("unconfirmed_messages_total", &[], 0.0),
        ("restarted_parts_total", &[], 0.0),
        ("abandoned_requests_total", &[], 0.0),
        ("retried_events_total", &[], 0.0),
        ("oldest_unprocessed_age_seconds", &[], 0.0),
    ] {
        becomes(stack, name, labels, expected).await;
    }
}

/// Metrics with the same value on both stacks.
async fn is_measured(stack: &Stack) {
    let processes = stack.metrics().await.len();
    for (name, labels, expected) in [
        ("parked_events", &[("waiting_for", "parent")][..], 1.0),
        ("parked_events", &[("waiting_for", "attempt")], 0.0),
        ("dead_letters", &[("class", "conflict"), ("age", "hour")], 1.0),
        ("dead_letters", &[("class", "conflict")], 1.0),
        ("dead_letters", &[("class", "data"), ("age", "older")], 0.0),
        ("queue_messages", &[("queue", "live")], 0.0),
        ("queue_messages", &[("queue", "dead")], 0.0),
        ("partition_messages_max", &[("queue", "live")], 0.0),
        ("replay_jobs", &[("state", "running")], 0.0),
        ("replay_letters", &[("state", "pending")], 0.0),
        ("ready", &[], 1.0),
    ] {
        let all = f64::from(u32::try_from(processes).unwrap());
        becomes(stack, name, labels, expected * all).await;
    }
    let age = stack.metric("careq_sync_oldest_parked_age_seconds", &[("waiting_for", "parent")]).await;
    assert!(age > 0.0 && age < 600.0, "{age}");
    let limit = stack.metric("careq_sync_parked_age_limit_seconds", &[]).await;
    assert!(limit >= 900.0, "{limit}");
}

/// An event that fails once and is stored at its second attempt.
async fn a_further_attempt(stack: &Stack) {
    let database = &stack.database.connection;
    database.execute_unprepared(REFUSE_FOR_NOW).await.unwrap();
    assert_eq!(stack.client.post("/patient", &patient(13)).await.status, 202);
    becomes(stack, "results_total", &[("outcome", "retrying")], 1.0).await;
    database.execute_unprepared("DROP TRIGGER poison ON patients").await.unwrap();
    becomes(stack, "retried_events_total", &[], 1.0).await;
    becomes(stack, "results_total", &[("kind", "patient"), ("outcome", "created")], 4.0).await;
}

/// The letter with the reused key is replayed and fails again. This counts one more failure of the same letter.
async fn a_replay(stack: &Stack) {
    stack.command(&["dead-letters", "replay", "--class", "conflict"], &[]).await;
    for (name, labels, expected) in [
        ("written_dead_letters_total", &[("class", "conflict")][..], 2.0),
        ("replay_jobs", &[("state", "finished")], 3.0),
        ("replay_jobs", &[("state", "running")], 0.0),
        ("replay_letters", &[], 0.0),
        ("dead_letters", &[("class", "conflict"), ("age", "hour")], 3.0),
    ] {
        becomes(stack, name, labels, expected).await;
    }
}

/// The exposed metrics are exactly those listed, each by the processes that know it.
async fn is_exposed(stack: &Stack, processes: &[(&str, f64)]) {
    let expositions = stack.metrics().await;
    let listed: BTreeSet<_> = LIST.iter().copied().collect();
    assert_eq!(listed.len(), LIST.len(), "no name is listed twice");
    let mut exposed = BTreeSet::from(ONLY_AFTER_A_FAILURE);
    for exposition in &expositions {
        passes_promtool(&exposition.text).await;
        exposed.extend(exposition.types.iter().map(|(name, _)| name.as_str()));
        for name in ["broker_up", "database_up", "build_info", "ready"] {
            let name = format!("careq_sync_{name}");
            assert!((exposition.sum(&name, &[]) - 1.0).abs() < 0.5, "{name}");
        }
        assert!(exposition.sum("careq_sync_database_connections", &[]) >= 1.0);
        assert!(exposition.sum("careq_sync_process_start_time_seconds", &[]) > 1.7e9);
        assert!(!exposition.text.contains(CLINIC), "no label names a clinic");
    }
    assert_eq!(exposed, listed);
    for (process, count) in processes {
        let is = stack.metric("careq_sync_build_info", &[("process", process)]).await;
        assert!((is - count).abs() < 0.5, "{process}");
    }
    if let [ingress, worker, ..] = expositions.as_slice() {
        assert!(!ingress.has("careq_sync_retried_events_total"), "an ingress cannot know it");
        assert!(!worker.has("careq_sync_rate_limited_requests_total"), "a worker cannot know it");
    }
}

/// Promtool's checks of the format and of the naming rules.
async fn passes_promtool(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool cannot be used for tests; `make servers` installs it");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let found = promtool.wait_with_output().await.unwrap();
    let printed = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
    assert!(found.status.success() && printed.is_empty(), "{printed}");
}

/// Metrics that have samples only after a failure or with a collector. Other tests check them.
const ONLY_AFTER_A_FAILURE: [&str; 1] = ["careq_sync_exported_spans_total"];

#[tokio::test]
async fn metrics_are_exposed_while_the_database_and_the_broker_are_down() {
    let (database, broker) = (Proxy::before("127.0.0.1:5432").await, Proxy::before("127.0.0.1:5672").await);
    let fresh = FreshDatabase::empty(crate::harness::Backend::Postgres).await;
    let database_url = through(&fresh.url, &database);
    let broker_url = through(&amqp_url(), &broker);
    let settings = [
        ("CAREQ_DATABASE_URL", database_url.as_str()),
        ("CAREQ_BROKER_URL", broker_url.as_str()),
        ("CAREQ_TELEMETRY_MEASURE_INTERVAL_S", "2"),
        ("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0"),
    ];
    let stack = Stack::full(1, &settings).await;
    becomes(&stack, "database_up", &[], 2.0).await;
    becomes(&stack, "parked_events", &[], 0.0).await;
    becomes(&stack, "assigned_partitions", &[], PARTITIONS.into()).await;

    database.set(Line::Down);
    becomes(&stack, "database_up", &[], 0.0).await;
    assert_eq!(stack.client.post("/patient", &patient(1)).await.status, 202);
    becomes(&stack, "accepted_events_total", &[], 1.0).await;
    let aged = || async {
        (stack.metric("careq_sync_oldest_unprocessed_age_seconds", &[]).await > 1.0).then_some(())
    };
    until("the age of the unprocessed event grows", aged).await;
    assert!(
        stack.metric("careq_sync_repeated_transactions_total", &[("reason", "unreachable")]).await >= 1.0
    );
    for exposition in stack.metrics().await {
        assert!(!exposition.has("careq_sync_parked_events"), "an unknown value is not exposed");
        assert!(!exposition.has("careq_sync_dead_letters"));
    }

    broker.set(Line::Down);
    becomes(&stack, "broker_up", &[], 0.0).await;
    assert_eq!(stack.client.post("/patient", &patient(2)).await.status, 503);
    becomes(&stack, "unconfirmed_messages_total", &[("reason", "disconnected")], 1.0).await;
    let gone = || async {
        let asked = Instant::now();
        let expositions = stack.metrics().await;
        assert!(asked.elapsed() < Duration::from_secs(2), "a scrape does not wait for a server");
        expositions.iter().all(|exposition| !exposition.has("careq_sync_queue_messages")).then_some(())
    };
    until("the queues are unknown", gone).await;

    database.set(Line::Open);
    broker.set(Line::Open);
    becomes(&stack, "database_up", &[], 2.0).await;
    becomes(&stack, "broker_up", &[], 2.0).await;
    becomes(&stack, "results_total", &[("outcome", "created")], 1.0).await;
    becomes(&stack, "oldest_unprocessed_age_seconds", &[], 0.0).await;
    until("the queues are known", || async {
        stack
            .metrics()
            .await
            .iter()
            .all(|exposition| exposition.has("careq_sync_queue_messages"))
            .then_some(())
    })
    .await;
    stack.finish().await;
}

fn through(url: &str, proxy: &Proxy) -> String {
    let replaced = url.replace(proxy.server(), &proxy.address());
    assert_ne!(replaced, url, "the test server has its usual address");
    replaced
}

async fn becomes(stack: &Stack, name: &str, labels: &[(&str, &str)], expected: f64) {
    let name = format!("careq_sync_{name}");
    let is = || async {
        let value = stack.metric(&name, labels).await;
        assert!(value <= expected || !name.ends_with("_total"), "{name} {labels:?} is {value}");
        ((value - expected).abs() < 1e-9).then_some(())
    };
    until(&format!("{name} {labels:?} is {expected}"), is).await;
}
