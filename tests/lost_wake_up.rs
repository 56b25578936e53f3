//! The lost wake-up, forced on PostgreSQL: the child looks, the parent commits, the child parks. No sweep runs here.

use careq_shared::broker::Queue;
use careq_shared::entities::{appointment, parked_event};
use careq_shared::records::Kind;
use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait as _, Statement, TransactionTrait as _};

use crate::harness::{self, Backend, FreshDatabase, WorkerLane, delivery, until};

#[tokio::test]
async fn the_child_that_parks_after_its_parent_has_committed_is_woken() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let lane = WorkerLane::new(&database, 256).await;
    let doctor_and_service =
        [delivery(Kind::Doctor, &harness::doctor(7)), delivery(Kind::Service, &harness::service(7))];
    lane.work(Queue::Live, &doctor_and_service).await.unwrap();

    // Reading is allowed under this lock, writing is not: the child looks for its parents and then stands still.
    let lock = database.connection.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE parked_events IN SHARE ROW EXCLUSIVE MODE").await.unwrap();
    let child = tokio::spawn({
        let lane = lane.clone();
        async move { lane.work(Queue::Live, &[delivery(Kind::Appointment, &harness::appointment(7))]).await }
    });
    until("the child has looked and wants to park", || async {
        let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'parked_events'::regclass";
        let statement = Statement::from_string(DbBackend::Postgres, waiting);
        lock.query_one(statement).await.unwrap().map(|_| ())
    })
    .await;
    lane.work(Queue::Live, &[delivery(Kind::Patient, &harness::patient(7))]).await.unwrap();
    assert!(!child.is_finished(), "the parent has committed, the child has not");
    lock.commit().await.unwrap();

    child.await.unwrap().unwrap();
    let stored = appointment::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!(stored.len(), 1, "the child looked again after its commit");
    assert!(parked_event::Entity::find().all(&database.connection).await.unwrap().is_empty());
}
