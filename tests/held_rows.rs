//! Rows that another session holds for longer than anybody waits for a lock: nothing is wrong with the events that need them, so that
//! none may become a dead letter.

use std::collections::BTreeSet;

use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::entities::{appointment, dead_letter, event, parked_event};
use careq_shared::records::Kind;
use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbBackend, EntityTrait as _, PaginatorTrait as _, Statement,
    TransactionTrait as _,
};
use serde_json::json;

use crate::harness::{self, Backend, FreshDatabase, WorkerLane, accept, deliver, delivery, until};

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

    is_tried_again(&database, "cancel").await;
    let stored = appointment::Entity::find().one(&database.connection).await.unwrap().unwrap();
    assert_ne!(stored.status, "cancelled", "not yet");
}

/// Its own row of the ledger is held, as by a commit that hangs: nothing can be noted meanwhile, and is noted when it is free.
#[tokio::test]
async fn an_event_whose_own_row_is_held_waits_for_it() {
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
    let working = tokio::spawn({
        let (lane, delivery) = (lane.clone(), deliver(&event));
        async move { lane.work(Queue::Live, &[delivery]).await }
    });
    // Once to store it, and twice to note that this could not be done.
    let waits = std::sync::Mutex::new(BTreeSet::new());
    until("it has waited in vain three times", || async {
        let sql = "SELECT waitstart::text FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL
                   AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        let began = holder.query_one(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        let mut waits = waits.lock().unwrap();
        waits.extend(began.map(|row| row.try_get_by::<String, _>(0).unwrap()));
        (waits.len() == 3).then_some(())
    })
    .await;
    assert!(!working.is_finished());
    holder.rollback().await.unwrap();
    working.await.unwrap().unwrap();
    is_tried_again(&database, "doctor").await;
}

/// A session that has done this and does not end.
async fn holding(database: &FreshDatabase, what: &str) -> DatabaseTransaction {
    let holder = database.connection.begin().await.unwrap();
    holder.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
    holder.execute_unprepared(what).await.unwrap();
    holder
}

async fn is_tried_again(database: &FreshDatabase, kind: &str) {
    let connection = &database.connection;
    assert_eq!(dead_letter::Entity::find().count(connection).await.unwrap(), 0, "nothing is wrong with it");
    let rows = event::Entity::find().all(connection).await.unwrap();
    let outcome = rows.into_iter().find(|row| row.kind == kind).map(|row| row.outcome);
    assert_eq!(outcome.as_deref(), Some("retrying"));
    let parked = parked_event::Entity::find().all(connection).await.unwrap();
    assert_eq!((parked.len(), parked[0].kind.as_str(), parked[0].attempts), (1, kind, 1));
}
