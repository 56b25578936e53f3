//! The outcome of one delivery is never reported for another one: a record that is sent again, and a reused
//! `batch_id`.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, patient as patients};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::harness::{Answer, CLINIC, Stack, appointment, doctor, patient, service, until};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    a_reused_batch(&stack).await;
    sent_again_in_a_refused_batch(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let mut stack = Stack::full(1, &[("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")]).await;
    a_reused_batch(&stack).await;
    let event_id = sent_again_in_a_refused_batch(&stack).await;
    no_sweep_settles_it_with_the_earlier_delivery(&mut stack).await;
    a_replay_applies_it(&stack, &event_id).await;
    sent_again_while_no_worker_runs(&mut stack, &event_id).await;
    stack.finish().await;
}

fn batch(id: &str, records: &[Value]) -> Value {
    let records: Vec<_> = records.iter().map(|data| json!({ "type": "patient", "data": data })).collect();
    json!({ "clinic_id": CLINIC, "batch_id": id, "records": records })
}

fn named(first_name: &str) -> Value {
    let mut body = patient(1);
    body["first_name"] = json!(first_name);
    body
}

const ASYNC: [(&str, &str); 1] = [("Prefer", "respond-async")];

async fn letter(stack: &Stack, careq_id: i64) -> Option<dead_letter::Model> {
    let of_patient = dead_letter::Entity::find().filter(dead_letter::Column::CareqId.eq(careq_id));
    of_patient.one(&stack.database.connection).await.unwrap()
}

async fn letter_is_open(stack: &Stack, careq_id: i64) {
    until("the record is a dead letter", || async {
        letter(stack, careq_id).await.filter(|letter| letter.state == DeadLetterState::Open)
    })
    .await;
}

async fn first_name(stack: &Stack) -> String {
    let found = patients::Entity::find().filter(patients::Column::CareqId.eq(1));
    found.one(&stack.database.connection).await.unwrap().unwrap().first_name
}

/// The page of a batch shows the content that was accepted.
async fn a_reused_batch(stack: &Stack) {
    let first = stack.client.post_with("/batch", &batch("bx", &[patient(70)]), &ASYNC).await;
    assert_eq!(first.status, 202, "{}", first.body);
    let first = first.body["data"]["status_url"].as_str().unwrap().to_owned();
    until("the batch is settled", || async {
        (stack.client.get(&first).await.body["data"]["successful"] == 1).then_some(())
    })
    .await;
    let second = stack.client.post_with("/batch", &batch("bx", &[patient(71)]), &ASYNC).await;
    assert_eq!(second.status, 202, "{}", second.body);
    let second = second.body["data"]["status_url"].as_str().unwrap().to_owned();
    letter_is_open(stack, 71).await;
    let page = stack.client.get(&second).await;
    assert_eq!((page.status, &page.body["data"]["sync_status"]), (200, &json!("failed")), "{}", page.body);
    assert_eq!(page.body["data"]["error"]["code"], "DUPLICATE_RECORD", "{}", page.body);
    assert_eq!(page.body["data"]["successful"], Value::Null, "{}", page.body);
    assert_eq!(page.body["data"]["status_url"], json!(second));
    for of_first in [first.as_str(), "/batch/bx", "/batch/bx?receipt=nonsense"] {
        let page = stack.client.get(of_first).await;
        assert_eq!((page.status, &page.body["data"]["successful"]), (200, &json!(1)), "{of_first}");
    }
}

/// A, B, then A in a refused batch: the outcome of the first A is not reported for the second. Returns the id of
/// A's event.
async fn sent_again_in_a_refused_batch(stack: &Stack) -> Value {
    let a = stack.client.post("/patient", &named("A")).await;
    assert_eq!(a.status, 201, "{}", a.body);
    assert_eq!(stack.client.post("/patient", &named("B")).await.status, 200);
    let accepted = stack.client.post("/batch", &batch("n1", &[patient(2)])).await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    let refused = stack.client.post_with("/batch", &batch("n1", &[named("A")]), &ASYNC).await;
    assert_eq!(refused.status, 202, "{}", refused.body);
    letter_is_open(stack, 1).await;
    let event_id = a.body["data"]["event_id"].clone();
    let page = stack.client.event_is(&event_id, "failed").await.expect("its latest delivery has failed");
    assert_eq!(page.body["data"]["error"]["code"], "DUPLICATE_RECORD", "{}", page.body);
    let page = stack.client.get(refused.body["data"]["status_url"].as_str().unwrap()).await;
    assert_eq!(page.body["data"]["sync_status"], "failed", "{}", page.body);
    assert_eq!(first_name(stack).await, "B");
    event_id
}

async fn no_sweep_settles_it_with_the_earlier_delivery(stack: &mut Stack) {
    // The letter of another refused record, which arrives later in another batch. When a sweep has resolved it,
    // the sweep has examined both letters.
    let refused = stack.client.post("/batch", &batch("n1", &[patient(3)])).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(stack.client.post("/batch", &batch("n2", &[patient(3)])).await.status, 200);
    stack.stop_workers().await;
    stack.start_worker().await;
    until("a sweep has examined the letters", || async {
        letter(stack, 3).await.filter(|letter| letter.state == DeadLetterState::Resolved)
    })
    .await;
    assert_eq!(letter(stack, 1).await.unwrap().state, DeadLetterState::Open);
}

/// The replay has the version of the failed delivery, which is newer than B.
async fn a_replay_applies_it(stack: &Stack, event_id: &Value) {
    let id = letter(stack, 1).await.unwrap().id.to_string();
    stack.command(&["dead-letters", "replay", &id, "--wait"], &[]).await;
    assert_eq!(first_name(stack).await, "A");
    assert_eq!(letter(stack, 1).await.unwrap().state, DeadLetterState::Resolved);
    stack.client.event_is(event_id, "updated").await.expect("the page shows the latest delivery");
}

/// The `status_url` names the delivery; the page without it shows the latest known delivery.
async fn sent_again_while_no_worker_runs(stack: &mut Stack, event_id: &Value) {
    assert_eq!(stack.client.post("/patient", &named("B")).await.status, 200);
    stack.stop_workers().await;
    let again = stack.client.post_with("/patient", &named("A"), &ASYNC).await;
    assert_eq!(again.body["data"]["event_id"], *event_id);
    let status_url = again.body["data"]["status_url"].as_str().unwrap().to_owned();
    let word = |page: &Answer| page.body["data"]["sync_status"].clone();
    assert_eq!(word(&stack.client.get(&status_url).await), "queued");
    stack.client.event_is(event_id, "updated").await.expect("the page shows an earlier delivery");
    let batch_again = stack.client.post_with("/batch", &batch("n3", &[named("A")]), &ASYNC).await;
    let of_batch = batch_again.body["data"]["status_url"].as_str().unwrap().to_owned();
    assert_eq!(word(&stack.client.get(&of_batch).await), "queued");
    stack.start_worker().await;
    until("the event is settled", || async {
        (word(&stack.client.get(&status_url).await) == "updated").then_some(())
    })
    .await;
    until("the batch is settled", || async {
        (stack.client.get(&of_batch).await.body["data"]["successful"] == 1).then_some(())
    })
    .await;
    assert_eq!(first_name(stack).await, "A");
}

#[tokio::test]
async fn a_late_parent_on_the_embedded_default() {
    let stack = Stack::embedded(&QUICK).await;
    a_late_parent(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_late_parent_on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &QUICK).await;
    a_late_parent(&stack).await;
    stack.finish().await;
}

const QUICK: [(&str, &str); 2] =
    [("CAREQ_WORKER_PARENT_TIMEOUT_S", "1"), ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")];

/// When its patient arrives, the appointment waits for its doctor with a new parent deadline, and then fails
/// again.
async fn a_parent_of_several(stack: &Stack) {
    let event_id = stack.client.post("/appointment", &appointment(9)).await.body["event_id"].clone();
    until("the parent deadline has passed", || stack.client.event_is(&event_id, "failed")).await;
    stack.client.post("/patient", &patient(9)).await;
    until("the second parent deadline has passed", || async {
        letter(stack, 9).await.filter(|letter| letter.state == DeadLetterState::Open && letter.attempts == 2)
    })
    .await;
    let page = stack.client.event_is(&event_id, "failed").await.expect("its letter is open");
    let message = page.body["data"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("doctor 9") && !message.contains("patient 9"), "{message}");
    stack.client.post("/doctor", &doctor(9)).await;
    stack.client.post("/service", &service(9)).await;
    until("the appointment is stored", || stack.client.event_is(&event_id, "synced")).await;
}

/// "Kept and applied when it arrives" also holds after the parent deadline. A discarded letter stays discarded.
async fn a_late_parent(stack: &Stack) {
    let client = &stack.client;
    let mut events = Vec::new();
    a_parent_of_several(stack).await;
    for number in [7, 8] {
        let booked = client.post("/appointment", &appointment(number)).await;
        assert_eq!(booked.status, 422, "{}", booked.body);
        events.push(booked.body["event_id"].clone());
    }
    let cancel = json!({ "careq_id": 7, "clinic_id": CLINIC, "cancellation_reason": "ill" });
    let cancelled = client.post("/appointment/cancel", &cancel).await;
    assert_eq!(cancelled.status, 404, "{}", cancelled.body);
    events.push(cancelled.body["event_id"].clone());
    for event_id in &events {
        until("the parent deadline has passed", || client.event_is(event_id, "failed")).await;
    }
    let discard = ["dead-letters", "discard", "--careq-id", "8", "--reason", "a test"];
    stack.command(&discard, &[]).await;
    for number in [7, 8] {
        for (path, body) in
            [("/patient", patient(number)), ("/doctor", doctor(number)), ("/service", service(number))]
        {
            assert_eq!(client.post(path, &body).await.status, 201);
        }
    }
    until("the appointment is stored", || client.event_is(&events[0], "synced")).await;
    until("the cancellation is applied", || client.event_is(&events[2], "updated")).await;
    let page = client.get("/status/appointment/7").await;
    assert_eq!(page.body["data"]["status"], "cancelled", "{}", page.body);
    client.event_is(&events[1], "failed").await.expect("it was discarded");
    assert_eq!(client.get("/status/appointment/8").await.body["data"]["sync_status"], "failed");
    for letter in dead_letter::Entity::find().all(&stack.database.connection).await.unwrap() {
        let expected =
            if letter.careq_id == Some(8) { DeadLetterState::Discarded } else { DeadLetterState::Resolved };
        assert_eq!(letter.state, expected, "{letter:?}");
    }
}
