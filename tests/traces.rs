//! One trace from the webhook to the transaction, on both brokers, and none without a collector. A failing
//! collector delays no request.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{CLINIC, Collector, Span, Stack, patient, until};

/// OTLP's `SpanKind`.
const SERVER: i32 = 2;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

const OF_CAREQ: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn both_sides_are_in_one_tree_on_postgresql_and_rabbitmq() {
    let collector = Collector::start().await;
    let stack = Stack::full(1, &[("CAREQ_TELEMETRY_OTLP_ENDPOINT", &collector.url)]).await;
    one_tree(&stack, &collector, ["careq-sync-ingress", "careq-sync-worker"]).await;
    a_batch_waits_for_admission(&stack, &collector).await;
    stack.finish().await;
}

#[tokio::test]
async fn both_sides_are_in_one_tree_on_the_embedded_default() {
    let collector = Collector::start().await;
    let stack = Stack::embedded(&[("CAREQ_TELEMETRY_OTLP_ENDPOINT", &collector.url)]).await;
    one_tree(&stack, &collector, ["careq-sync-standalone"; 2]).await;
    stack.finish().await;
}

async fn one_tree(stack: &Stack, collector: &Collector, [ingress, worker]: [&str; 2]) {
    let own_trace = [("traceparent", OF_CAREQ)];
    assert_eq!(stack.client.post_with("/patient", &patient(1), &own_trace).await.status, 201);
    let request = collector.span("the request", |span| span.kind == SERVER).await;
    assert_eq!(
        (request.service.as_str(), request.name.as_str()),
        (ingress, "POST /api/v1/careq-sync/patient")
    );
    assert_eq!(request.parent, "", "CareQ's trace is not continued by default");
    assert!(!OF_CAREQ.contains(&request.trace));
    assert_eq!(request.number("http.response.status_code"), Some(201));
    assert_eq!(request.number("careq_id"), Some(1));

    for stage in ["receive", "result"] {
        child(collector, &request, stage).await;
    }
    let publish = child(collector, &request, "publish").await;
    assert_eq!((publish.kind, publish.text("messaging.destination.name")), (PRODUCER, Some("live")));

    let settle = child(collector, &publish, "settle").await;
    assert_eq!((settle.service.as_str(), settle.kind), (worker, CONSUMER));
    assert_eq!((settle.text("outcome"), settle.text("kind")), (Some("created"), Some("patient")));

    let batch = collector.span("the batch", |span| span.name == "batch").await;
    assert_ne!(batch.trace, request.trace, "a batch has many messages, and a trace of its own");
    assert_eq!((&batch.links, &settle.links), (&vec![publish.id], &vec![batch.id.clone()]));
    assert_eq!(batch.number("messaging.batch.message_count"), Some(1));
    child(collector, &batch, "transaction").await;

    let line = logged(stack, "request").expect("it is logged");
    assert_eq!(
        (line["trace_id"].as_str(), line["span_id"].as_str()),
        (Some(request.trace.as_str()), Some(request.id.as_str()))
    );
    until("the spans are counted", || async {
        (stack.metric("careq_sync_exported_spans_total", &[("result", "taken")]).await >= 7.0).then_some(())
    })
    .await;
}

/// `POST /batch` has an additional stage, the admission of the batch.
async fn a_batch_waits_for_admission(stack: &Stack, collector: &Collector) {
    let records = [json!({ "type": "patient", "data": patient(2) })];
    let sent = json!({ "clinic_id": CLINIC, "batch_id": "b", "records": records });
    assert_eq!(stack.client.post("/batch", &sent).await.status, 200);
    let is_request = |span: &Span| span.kind == SERVER && span.name.ends_with("/batch");
    let request = collector.span("the request of a batch", is_request).await;
    child(collector, &request, "turn").await;
}

async fn child(collector: &Collector, parent: &Span, name: &str) -> Span {
    let is_child = |span: &Span| span.name == name && span.parent == parent.id;
    let child = collector.span(&format!("{name} below {}", parent.name), is_child).await;
    assert_eq!(child.trace, parent.trace);
    child
}

fn logged(stack: &Stack, message: &str) -> Option<Value> {
    let log = stack.logged();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["fields"]["message"] == message)
}

/// Two messages wait for a worker, which takes them as one batch.
#[tokio::test]
async fn a_batch_is_linked_to_each_of_its_messages() {
    let collector = Collector::start().await;
    let settings = [
        ("CAREQ_TELEMETRY_OTLP_ENDPOINT", collector.url.as_str()),
        ("CAREQ_WORKER_CONCURRENCY", "1"),
        ("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0"),
    ];
    let mut stack = Stack::full(0, &settings).await;
    for careq_id in 1..=20 {
        assert_eq!(stack.client.post("/patient", &patient(careq_id)).await.status, 202);
    }
    stack.start_worker().await;
    let settled = || async {
        let spans = collector.spans();
        let batches: Vec<_> = spans.iter().filter(|span| span.name == "batch").cloned().collect();
        let links = batches.iter().flat_map(|batch| batch.links.clone()).collect::<Vec<_>>();
        (links.len() == 20).then_some((batches, links, spans))
    };
    let (batches, mut links, spans) = until("all messages are linked", settled).await;
    assert!(batches.len() < 20, "{} batches", batches.len());
    let mut published: Vec<_> =
        spans.iter().filter(|span| span.name == "publish").map(|span| span.id.clone()).collect();
    links.sort();
    published.sort();
    assert_eq!(links, published);
    stack.finish().await;
}

#[tokio::test]
async fn careqs_trace_is_continued_where_it_is_trusted() {
    let collector = Collector::start().await;
    let settings = [
        ("CAREQ_TELEMETRY_OTLP_ENDPOINT", collector.url.as_str()),
        ("CAREQ_INGRESS_TRUST_TRACEPARENT", "true"),
        // CareQ decides whether its own traces are recorded.
        ("CAREQ_TELEMETRY_SAMPLE_RATIO", "0"),
    ];
    let stack = Stack::embedded(&settings).await;
    assert_eq!(stack.client.post("/patient", &patient(1)).await.status, 201);
    let own_trace = [("traceparent", OF_CAREQ)];
    assert_eq!(stack.client.post_with("/patient", &patient(2), &own_trace).await.status, 201);
    let settle = collector.span("the worker's side", |span| span.name == "settle").await;
    assert!(OF_CAREQ.contains(&settle.trace), "{settle:?}");
    let request = collector.span("the request", |span| span.kind == SERVER).await;
    assert!(OF_CAREQ.contains(&request.parent), "{request:?}");
    assert_eq!(request.number("careq_id"), Some(2), "no other request is recorded");
    stack.finish().await;
}

/// A collector that accepts connections and never responds.
#[tokio::test]
async fn an_unresponsive_collector_delays_no_request() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    let stack = Stack::embedded(&[("CAREQ_TELEMETRY_OTLP_ENDPOINT", &url)]).await;
    for careq_id in 1..=20 {
        assert_eq!(stack.client.post("/patient", &patient(careq_id)).await.status, 201);
    }
    until("lost spans are counted", || async {
        (stack.metric("careq_sync_exported_spans_total", &[("result", "lost")]).await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(stack.client.post("/patient", &patient(21)).await.status, 201);
    let logged_once = "the trace collector accepts no spans; they are dropped";
    assert_eq!(stack.logged().matches(logged_once).count(), 1, "the failure is logged once");
    let stopped_at = Instant::now();
    stack.stop().await;
    assert!(stopped_at.elapsed() < Duration::from_secs(12), "{:?}", stopped_at.elapsed());
}

#[tokio::test]
async fn without_a_collector_nothing_is_traced() {
    let stack = Stack::embedded(&[]).await;
    let own_trace = [("traceparent", OF_CAREQ)];
    assert_eq!(stack.client.post_with("/patient", &patient(1), &own_trace).await.status, 201);
    let line = logged(&stack, "request").expect("it is logged");
    assert!(line.get("trace_id").is_none(), "{line}");
    assert!(stack.metric("careq_sync_exported_spans_total", &[]).await.abs() < 0.5);
    stack.finish().await;
}
