//! Rows that another session holds for longer than anybody waits for a lock: nothing is wrong with the events that need them, so that
//! none may become a dead letter.

use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::entities::{appointment, dead_letter, event, parked_event};
use careq_shared::records::Kind;
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
    let same_key = format!(
        "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, settled_at)
         VALUES ('{}', '{}', '{}', '', 'doctor', 7, now(), 'created', now())",
        event.event_id,
        event.clinic_id,
        event.idempotency_key.as_str()
    );
    let holder = holding(&database, &same_key).await;
    let batch = [deliver(&event), delivery(Kind::Doctor, &harness::doctor(8))];
    lane.work(Queue::Live, &batch).await.unwrap();
    holder.rollback().await.unwrap();

    let ledger = event::Entity::find().all(&database.connection).await.unwrap();
    let numbers: Vec<_> = ledger.iter().map(|row| (row.careq_id, row.outcome.as_str())).collect();
    assert_eq!(numbers, [(8, "created")], "its neighbour is stored");
    is_parked(&database, "doctor").await;
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
