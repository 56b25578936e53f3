//! The price of a batch in tokens of the clinic's rate. Each test ends before its bucket has gained a token.

use serde_json::json;

use crate::harness::{Answer, CLINIC, Stack, patient};

const ONE_PER_MINUTE: (&str, &str) = ("CAREQ_INGRESS_RATE_PER_MINUTE", "1");
const TEN_RECORDS_PER_TOKEN: (&str, &str) = ("CAREQ_INGRESS_RATE_RECORDS_PER_TOKEN", "10");

#[tokio::test]
async fn the_records_of_batches_use_up_the_rate() {
    let burst = ("CAREQ_INGRESS_RATE_BURST", "10");
    let stack = Stack::embedded(&[ONE_PER_MINUTE, burst, TEN_RECORDS_PER_TOKEN]).await;
    // 35 records cost four tokens.
    for left in ["6", "2"] {
        is_accepted(&send_batch(&stack, 35).await, left);
    }
    // The refused batch has taken one token as a request. Sent again, it needs four.
    is_limited(&send_batch(&stack, 35).await, "1", 3);
    let accepted = stack.metric("careq_sync_accepted_events_total", &[]).await;
    assert!((accepted - 70.0).abs() < 0.5, "{accepted} events are accepted");
    assert_eq!(stack.client.get("/health").await.status, 200, "a request costs one token");
    is_limited(&stack.client.get("/health").await, "0", 1);
    stack.finish().await;
}

#[tokio::test]
async fn a_batch_costs_one_token_by_default() {
    let stack = Stack::embedded(&[ONE_PER_MINUTE, ("CAREQ_INGRESS_RATE_BURST", "3")]).await;
    for left in ["2", "1", "0"] {
        is_accepted(&send_batch(&stack, 35).await, left);
    }
    is_limited(&send_batch(&stack, 35).await, "0", 1);
    stack.finish().await;
}

#[tokio::test]
async fn a_batch_that_costs_more_than_the_burst_passes() {
    let burst = ("CAREQ_INGRESS_RATE_BURST", "3");
    let stack = Stack::embedded(&[ONE_PER_MINUTE, burst, TEN_RECORDS_PER_TOKEN]).await;
    is_accepted(&send_batch(&stack, 1_000).await, "0");
    is_limited(&stack.client.get("/health").await, "0", 1);
    stack.finish().await;
}

async fn send_batch(stack: &Stack, records: i64) -> Answer {
    let record = |careq_id| json!({ "type": "patient", "data": patient(careq_id) });
    let records: Vec<_> = (1..=records).map(record).collect();
    let batch = json!({ "clinic_id": CLINIC, "batch_id": "one", "records": records });
    stack.client.post_with("/batch", &batch, &[("prefer", "respond-async")]).await
}

fn is_accepted(answer: &Answer, left: &str) {
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.headers["x-ratelimit-remaining"], left);
}

/// Asserts a 429 whose client waits for a number of tokens.
fn is_limited(answer: &Answer, left: &str, missing: u64) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.body["error"]["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(answer.headers["x-ratelimit-remaining"], left);
    let wait_s: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((60 * (missing - 1) + 1..=60 * missing).contains(&wait_s), "{wait_s}");
}
