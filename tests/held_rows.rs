//! Rows that another session holds for longer than anybody waits for a lock: nothing is wrong with the events that need them, so that
//! none may become a dead letter.

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

use crate::harness::{self, Backend, FreshDatabase, WorkerLane, accept, deliver, delivery};

/// A record that is held is tried again later, as the ledger and the parked row say.
#[tokio::test]
async fn an_event_whose_record_is_held_is_tried_again_later() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let lane = WorkerLane::new(&database, 256).await;
    let records = [
        delivery(Kind::Patient, &harness::patient(7)),
        delivery(Kind::Doctor, &harness::doctor(7)),
        delivery(Kind::Service, &harness::service(7)),
        delivery(Kind::Appointment, &harness::appointment(7)),
    ];
    lane.work(Queue::Live, &records).await.unwrap();
    let holder = holding(&database, "SELECT 1 FROM appointments FOR UPDATE").await;
    let cancellation =
        json!({ "careq_id": 7, "clinic_id": "clinic_abc", "cancelled_at": "2026-01-01T10:00:00Z" });
    lane.work(Queue::Live, &[delivery(Kind::Cancel, &cancellation)]).await.unwrap();
    holder.rollback().await.unwrap();

    let ledger = event::Entity::find().all(&database.connection).await.unwrap();
    let outcome = ledger.into_iter().find(|row| row.kind == "cancel").map(|row| row.outcome);
    assert_eq!(outcome.as_deref(), Some("retrying"));
    is_parked(&database, "cancel").await;
    let stored = appointment::Entity::find().one(&database.connection).await.unwrap().unwrap();
    assert_ne!(stored.status, "cancelled", "not yet");
}

/// Its own row of the ledger is held, as by a commit that hangs: nothing can be noted there, and the lane goes on all the same.
#[tokio::test]
async fn an_event_whose_own_row_is_held_holds_up_nobody_for_long() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let lane = WorkerLane::new(&database, 256).await;
    let event = accept(Kind::Doctor, &harness::doctor(7), clock::now());
    let holder = holding(&database, &row_of(&event)).await;
    let batch = [deliver(&event), delivery(Kind::Doctor, &harness::doctor(8))];
    lane.work(Queue::Live, &batch).await.unwrap();
    holder.rollback().await.unwrap();

    let ledger = event::Entity::find().all(&database.connection).await.unwrap();
    let numbers: Vec<_> = ledger.iter().map(|row| (row.careq_id, row.outcome.as_str())).collect();
    assert_eq!(numbers, [(8, "created")], "its neighbour is stored");
    is_parked(&database, "doctor").await;
}

/// A, B, A without any stamp ends in A, also where the second A comes while the first one is parked and the ledger cannot be written.
#[tokio::test]
async fn the_latest_copy_of_an_event_whose_own_row_is_held_is_kept() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let lane = WorkerLane::new(&database, 256).await;
    let began_at = clock::whole_microseconds(clock::now());
    let named = |first_name: &str, second: i64| {
        let mut body = harness::doctor(7);
        body["first_name"] = json!(first_name);
        accept(Kind::Doctor, &body, began_at + TimeDelta::seconds(second))
    };
    let holder = holding(&database, &row_of(&named("A", 0))).await;
    let copies = [0, 2].map(|second| [deliver(&named("A", second))]);
    let [first, second] = copies.each_ref().map(|copy| lane.work(Queue::Live, copy));
    let (first, second) = tokio::join!(first, second);
    first.and(second).unwrap();
    holder.rollback().await.unwrap();
    is_parked(&database, "doctor").await;

    // The next record wakes it.
    let waits = "UPDATE parked_events SET waiting_kind = 'doctor', waiting_careq_id = 7";
    database.connection.execute_unprepared(waits).await.unwrap();
    lane.work(Queue::Live, &[deliver(&named("B", 1))]).await.unwrap();
    let stored = doctor::Entity::find().one(&database.connection).await.unwrap().unwrap();
    assert_eq!(stored.first_name, "A");
    assert_eq!(parked_event::Entity::find().count(&database.connection).await.unwrap(), 0);
}

/// Inserts an event's row of the ledger.
fn row_of(event: &Event) -> String {
    format!(
        "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, settled_at)
         VALUES ('{}', '{}', '{}', '', 'doctor', 7, now(), 'created', now())",
        event.event_id,
        event.clinic_id,
        event.idempotency_key.as_str()
    )
}

/// A session that has done this and does not end.
async fn holding(database: &FreshDatabase, what: &str) -> DatabaseTransaction {
    let holder = database.connection.begin().await.unwrap();
    holder.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
    holder.execute_unprepared(what).await.unwrap();
    holder
}

async fn is_parked(database: &FreshDatabase, kind: &str) {
    let connection = &database.connection;
    assert_eq!(dead_letter::Entity::find().count(connection).await.unwrap(), 0, "nothing is wrong with it");
    let parked = parked_event::Entity::find().all(connection).await.unwrap();
    assert_eq!((parked.len(), parked[0].kind.as_str(), parked[0].attempts), (1, kind, 1));
}
