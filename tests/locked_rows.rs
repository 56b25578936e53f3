//! Rows that another session locks for longer than the lock timeout. The events that need them are valid, so none
//! of them becomes a dead letter.

use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::entities::{appointment, dead_letter, doctor, event, parked_event};
use careq_shared::event::Event;
use careq_shared::records::Kind;
use chrono::TimeDelta;
use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _, TransactionTrait as _,
};
use serde_json::json;

use crate::harness::{self, Backend, FreshDatabase, TestWorker, accept, deliver, delivery};

/// An event whose record is locked is retried later, as the ledger and the parked row state.
#[tokio::test]
async fn an_event_whose_record_is_locked_is_retried_later() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let worker = TestWorker::new(&database, 256).await;
    let records = [
        delivery(Kind::Patient, &harness::patient(7)),
        delivery(Kind::Doctor, &harness::doctor(7)),
        delivery(Kind::Service, &harness::service(7)),
        delivery(Kind::Appointment, &harness::appointment(7)),
    ];
    worker.work(Queue::Live, &records).await.unwrap();
    let holder = holding(&database, "SELECT 1 FROM appointments FOR UPDATE").await;
    let cancellation =
        json!({ "careq_id": 7, "clinic_id": "clinic_abc", "cancelled_at": "2026-01-01T10:00:00Z" });
    worker.work(Queue::Live, &[delivery(Kind::Cancel, &cancellation)]).await.unwrap();
    holder.rollback().await.unwrap();

    let ledger = event::Entity::find().all(&database.connection).await.unwrap();
    let outcome = ledger.into_iter().find(|row| row.kind == "cancel").map(|row| row.outcome);
    assert_eq!(outcome.as_deref(), Some("retrying"));
    is_parked(&database, "cancel").await;
    let stored = appointment::Entity::find().one(&database.connection).await.unwrap().unwrap();
    assert_ne!(stored.status, "cancelled", "not yet");
}

/// The event's ledger row is locked, as by a commit that hangs. The ledger cannot be updated, and the worker
/// continues.
#[tokio::test]
async fn an_event_whose_ledger_row_is_locked_does_not_block_its_neighbours() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let worker = TestWorker::new(&database, 256).await;
    let event = accept(Kind::Doctor, &harness::doctor(7), clock::now());
    let holder = holding(&database, &row_of(&event)).await;
    let batch = [deliver(&event), delivery(Kind::Doctor, &harness::doctor(8))];
    worker.work(Queue::Live, &batch).await.unwrap();
    holder.rollback().await.unwrap();

    let ledger = event::Entity::find().all(&database.connection).await.unwrap();
    let numbers: Vec<_> = ledger.iter().map(|row| (row.careq_id, row.outcome.as_str())).collect();
    assert_eq!(numbers, [(8, "created")], "its neighbour is stored");
    is_parked(&database, "doctor").await;
}

/// A, B, A without time stamps ends in A. The second A arrives while the first one is parked and the ledger row is
/// locked.
#[tokio::test]
async fn the_latest_duplicate_of_an_event_whose_ledger_row_is_locked_is_kept() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let worker = TestWorker::new(&database, 256).await;
    let began_at = clock::whole_microseconds(clock::now());
    let named = |first_name: &str, second: i64| {
        let mut body = harness::doctor(7);
        body["first_name"] = json!(first_name);
        accept(Kind::Doctor, &body, began_at + TimeDelta::seconds(second))
    };
    let holder = holding(&database, &row_of(&named("A", 0))).await;
    let duplicates = [0, 2].map(|second| [deliver(&named("A", second))]);
    let [first, second] = duplicates.each_ref().map(|duplicate| worker.work(Queue::Live, duplicate));
    let (first, second) = tokio::join!(first, second);
    first.and(second).unwrap();
    holder.rollback().await.unwrap();
    is_parked(&database, "doctor").await;

    // The next record unparks it.
    let waits = "UPDATE parked_events SET waiting_kind = 'doctor', waiting_careq_id = 7";
    database.connection.execute_unprepared(waits).await.unwrap();
    worker.work(Queue::Live, &[deliver(&named("B", 1))]).await.unwrap();
    let stored = doctor::Entity::find().one(&database.connection).await.unwrap().unwrap();
    assert_eq!(stored.first_name, "A");
    assert_eq!(parked_event::Entity::find().count(&database.connection).await.unwrap(), 0);
}

/// SQL that inserts an event's ledger row.
fn row_of(event: &Event) -> String {
    format!(
        "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, settled_at)
         VALUES ('{}', '{}', '{}', '', 'doctor', 7, now(), 'created', now())",
        event.event_id,
        event.clinic_id,
        event.idempotency_key.as_str()
    )
}

/// A session that has executed a statement and keeps its transaction open.
async fn holding(database: &FreshDatabase, what: &str) -> DatabaseTransaction {
    let holder = database.connection.begin().await.unwrap();
    holder.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
    holder.execute_unprepared(what).await.unwrap();
    holder
}

async fn is_parked(database: &FreshDatabase, kind: &str) {
    let connection = &database.connection;
    assert_eq!(
        dead_letter::Entity::find().count(connection).await.unwrap(),
        0,
        "the event is not a dead letter"
    );
    let parked = parked_event::Entity::find().all(connection).await.unwrap();
    assert_eq!((parked.len(), parked[0].kind.as_str(), parked[0].attempts), (1, kind, 1));
}
