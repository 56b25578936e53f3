//! A child that arrives before its parent is answered with the current state, parked, and applied when the parent
//! arrives.

use careq_shared::clock;
use careq_shared::dead_letters::DeadLetterState;
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::json;

use crate::harness::{Stack, appointment, doctor, opened, patient, service, until};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    children_before_parents(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &[]).await;
    children_before_parents(&stack).await;
    stack.finish().await;
}

async fn children_before_parents(stack: &Stack) {
    let client = &stack.client;
    let cancel = json!({ "careq_id": 7, "clinic_id": "clinic_abc", "cancelled_at": "2025-12-12T10:00:00Z" });
    let cancelled = client.post("/appointment/cancel", &cancel).await;
    assert_eq!((cancelled.status, &cancelled.body["error"]["code"]), (404, &json!("RECORD_NOT_FOUND")));
    assert!(cancelled.body["error"]["details"]["careq_id"][0].as_str().unwrap().contains("Appointment 7"));

    let mut appointment = appointment(7);
    appointment["updated_at"] = json!("2025-12-10T10:00:00Z");
    let booked = client.post("/appointment", &appointment).await;
    assert_eq!((booked.status, &booked.body["error"]["code"]), (422, &json!("VALIDATION_ERROR")));
    let named: Vec<_> = booked.body["errors"].as_object().unwrap().keys().collect();
    assert_eq!(named, ["doctor_careq_id", "patient_careq_id", "service_careq_id"]);
    let page = client.event_is(&booked.body["event_id"], "waiting").await.expect("the event waits");
    assert_eq!(page.body["data"]["waiting_for"].as_array().unwrap().len(), 3);
    assert_eq!(client.get("/status/appointment/7").await.body["data"]["sync_status"], "waiting");

    client.post("/patient", &patient(7)).await;
    client.post("/doctor", &doctor(7)).await;
    let retried = client.post("/appointment", &appointment).await;
    let named: Vec<_> = retried.body["errors"].as_object().unwrap().keys().collect();
    assert_eq!(retried.status, 422, "the repeated request gets the current state");
    assert_eq!(named, ["service_careq_id"]);
    client.post("/service", &service(7)).await;

    until("the appointment is stored", || client.event_is(&booked.body["event_id"], "synced")).await;
    until("the cancellation is applied", || client.event_is(&cancelled.body["event_id"], "updated")).await;
    let record = client.get("/status/appointment/7").await;
    assert_eq!(record.body["data"]["status"], "cancelled");
    let again = client.post("/appointment/cancel", &cancel).await;
    assert_eq!((again.status, &again.body["data"]["status"]), (200, &json!("cancelled")), "{}", again.body);
}

const SHORT_PARENT_TIMEOUT: [(&str, &str); 2] =
    [("CAREQ_WORKER_PARENT_TIMEOUT_S", "1"), ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")];

#[tokio::test]
async fn the_parent_deadline_ends_on_the_embedded_default() {
    an_event_past_its_parent_deadline_is_a_dead_letter(Stack::embedded(&SHORT_PARENT_TIMEOUT).await).await;
}

#[tokio::test]
async fn the_parent_deadline_ends_on_postgresql_and_rabbitmq() {
    an_event_past_its_parent_deadline_is_a_dead_letter(Stack::full(2, &SHORT_PARENT_TIMEOUT).await).await;
}

/// The parent deadline starts when the event is parked first. After it, the event is a dead letter.
async fn an_event_past_its_parent_deadline_is_a_dead_letter(stack: Stack) {
    let booked = stack.client.post("/appointment", &appointment(7)).await;
    assert_eq!(booked.status, 422);
    let page =
        until("the parent deadline has passed", || stack.client.event_is(&booked.body["event_id"], "failed"))
            .await;
    assert_eq!(page.body["data"]["error"]["code"], "RECORD_NOT_FOUND");
    let letters = dead_letters(&stack).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].class.as_str(), letters[0].code.as_str()), ("missing_parent", "RECORD_NOT_FOUND"));
    assert!(
        opened(&letters[0]).windows(16).any(|bytes| bytes == b"patient_careq_id"),
        "the payload is stored"
    );

    // CareQ sends the event again when its parents are stored. It is applied, and its letter needs no action.
    stack.client.post("/patient", &patient(7)).await;
    stack.client.post("/doctor", &doctor(7)).await;
    stack.client.post("/service", &service(7)).await;
    let again = stack.client.post("/appointment", &appointment(7)).await;
    assert_eq!(again.status, 201, "{}", again.body);
    let letters = dead_letters(&stack).await;
    assert_eq!((letters.len(), letters[0].state), (1, DeadLetterState::Resolved));
    stack.finish().await;
}

/// The parent deadline ends long before the queued parents are processed, because the only consumer is blocked.
/// The event must not fail while its parents are queued.
#[tokio::test]
async fn no_event_fails_while_its_parents_are_queued() {
    let settings = [
        ("CAREQ_WORKER_CONCURRENCY", "1"),
        ("CAREQ_WORKER_BATCH_SIZE", "1"),
        SHORT_PARENT_TIMEOUT[0],
        SHORT_PARENT_TIMEOUT[1],
    ];
    let stack = Stack::full(1, &settings).await;
    let database = &stack.database.connection;
    assert_eq!(stack.client.post("/doctor", &doctor(1)).await.status, 201);
    let booked = stack.client.post("/appointment", &appointment(7)).await;
    assert_eq!(booked.status, 422);
    let holder = database.begin().await.unwrap();
    holder.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
    holder.execute_unprepared("SELECT 1 FROM events WHERE kind = 'doctor' FOR UPDATE").await.unwrap();
    // A duplicate needs the locked row; the parents are queued behind it.
    for (path, body) in
        [("/doctor", doctor(1)), ("/patient", patient(7)), ("/doctor", doctor(7)), ("/service", service(7))]
    {
        let answer = stack.client.post_with(path, &body, &[("prefer", "respond-async")]).await;
        assert_eq!(answer.status, 202);
    }
    let deadline_passed_at = clock::now() + TimeDelta::seconds(5);
    until("the parent deadline and several sweeps have passed", || async {
        (clock::now() > deadline_passed_at).then_some(())
    })
    .await;
    assert!(stack.client.event_is(&booked.body["event_id"], "waiting").await.is_some());
    holder.rollback().await.unwrap();
    until("the appointment is stored", || stack.client.event_is(&booked.body["event_id"], "synced")).await;
    assert!(dead_letters(&stack).await.is_empty());
    stack.finish().await;
}

async fn dead_letters(stack: &Stack) -> Vec<careq_shared::entities::dead_letter::Model> {
    use sea_orm::EntityTrait as _;
    careq_shared::entities::dead_letter::Entity::find().all(&stack.database.connection).await.unwrap()
}
