//! Unparking that could be lost or delayed: the parent is committed between the child's lookup and its parking; a
//! worker ends before it unparks the children; many children wait for one parent. No sweep runs.

use careq_shared::broker::Queue;
use careq_shared::entities::{appointment, parked_event};
use careq_shared::records::Kind;
use careq_worker::ReadyQueue;
use sea_orm::{
    ConnectionTrait as _, DbBackend, EntityTrait as _, PaginatorTrait as _, Statement, TransactionTrait as _,
};

use crate::harness::{self, Backend, FreshDatabase, TestWorker, delivery, until};

#[tokio::test]
async fn a_child_parked_after_its_parents_commit_is_applied() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let worker = TestWorker::new(&database, 256).await;
    let doctor_and_service =
        [delivery(Kind::Doctor, &harness::doctor(7)), delivery(Kind::Service, &harness::service(7))];
    worker.work(Queue::Live, &doctor_and_service).await.unwrap();

    // This lock permits reading and blocks writing: the child looks for its parents and then waits.
    let lock = database.connection.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE parked_events IN SHARE ROW EXCLUSIVE MODE").await.unwrap();
    let child = tokio::spawn({
        let worker = worker.clone();
        async move { worker.work(Queue::Live, &[delivery(Kind::Appointment, &harness::appointment(7))]).await }
    });
    until("the child has looked for its parents and waits to be parked", || async {
        let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'parked_events'::regclass";
        let statement = Statement::from_string(DbBackend::Postgres, waiting);
        lock.query_one(statement).await.unwrap().map(|_| ())
    })
    .await;
    worker.work(Queue::Live, &[delivery(Kind::Patient, &harness::patient(7))]).await.unwrap();
    assert!(!child.is_finished(), "the parent has committed, the child has not");
    lock.commit().await.unwrap();

    child.await.unwrap().unwrap();
    let stored = appointment::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!(stored.len(), 1, "the child was applied after it was parked");
    assert!(parked_event::Entity::find().all(&database.connection).await.unwrap().is_empty());
}

/// A worker ends after its commit and before it unparks the children. The redelivered message unparks them.
#[tokio::test]
async fn a_redelivered_parent_unparks_the_waiting_children() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let worker = TestWorker::new(&database, 256).await;
    children(&worker, [1]).await;
    let doctor = [delivery(Kind::Doctor, &harness::doctor(7))];
    worker.batch(Queue::Live, doctor.to_vec(), &mut ReadyQueue::default()).await.unwrap();
    assert_eq!(stored(&database).await, 0, "no child was unparked");
    worker.work(Queue::Live, &doctor).await.unwrap();
    assert_eq!(stored(&database).await, 1);
}

/// However many children wait for one parent, each following batch processes only some of them in addition to its
/// own events.
#[tokio::test]
async fn many_waiting_children_do_not_delay_new_events() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = FreshDatabase::new(backend).await;
        let worker = TestWorker::new(&database, 100).await;
        children(&worker, 1..=250).await;
        let mut ready = ReadyQueue::default();
        worker
            .batch(Queue::Live, vec![delivery(Kind::Doctor, &harness::doctor(7))], &mut ready)
            .await
            .unwrap();
        for (batch, expected) in [(1, 56), (2, 112)] {
            let patient = delivery(Kind::Patient, &harness::patient(1000 + batch));
            worker.batch(Queue::Live, vec![patient], &mut ready).await.unwrap();
            assert_eq!(stored(&database).await, expected, "after batch {batch}");
        }
        worker.process_ready(&mut ready).await.unwrap();
        assert_eq!(stored(&database).await, 250);
        assert!(parked_event::Entity::find().all(&database.connection).await.unwrap().is_empty());
    }
}

/// Appointments that wait for doctor 7.
async fn children(worker: &TestWorker, numbers: impl IntoIterator<Item = i64>) {
    let parents =
        [delivery(Kind::Patient, &harness::patient(7)), delivery(Kind::Service, &harness::service(7))];
    worker.work(Queue::Live, &parents).await.unwrap();
    let child = |number: i64| {
        let mut body = harness::appointment(number);
        for parent in ["patient_careq_id", "doctor_careq_id", "service_careq_id"] {
            body[parent] = 7.into();
        }
        delivery(Kind::Appointment, &body)
    };
    worker.work(Queue::Live, &numbers.into_iter().map(child).collect::<Vec<_>>()).await.unwrap();
}

async fn stored(database: &FreshDatabase) -> u64 {
    appointment::Entity::find().count(&database.connection).await.unwrap()
}
