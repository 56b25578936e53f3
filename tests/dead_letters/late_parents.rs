//! Dead letters of a missing parent whose parent is stored later. No sweep runs: the commit that stores the parent
//! unparks them.

use careq_console::audit::{Actor, Origin};
use careq_console::dead_letters::{self, Selection};
use careq_console::jobs;
use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{
    appointment as appointments, dead_letter, event, parked_event, replay_job_letter,
};
use careq_shared::records::Kind;
use careq_shared::replay::JobLetterState;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _};
use uuid::Uuid;

use super::prepared::insert_letters;
use crate::harness::{
    Backend, FreshDatabase, TestWorker, accept, appointment, delivery, doctor, patient, service,
};

struct Scene {
    database: FreshDatabase,
    worker: TestWorker,
    letter: Uuid,
}

impl Scene {
    /// An appointment whose patient is missing; its doctor and its service are stored.
    async fn new(backend: Backend) -> Self {
        let database = FreshDatabase::new(backend).await;
        let worker = TestWorker::new(&database, 256).await;
        let parents = [delivery(Kind::Doctor, &doctor(7)), delivery(Kind::Service, &service(7))];
        worker.work(Queue::Live, &parents).await.unwrap();
        let orphan = accept(Kind::Appointment, &appointment(7), clock::now());
        let letter = insert_letters(&database.connection, &[orphan]).await[0];
        let waits = "UPDATE dead_letters SET class = 'missing_parent', waiting_kind = 'patient', waiting_careq_id = 7";
        database.connection.execute_unprepared(waits).await.unwrap();
        Self { database, worker, letter }
    }

    async fn patient_arrives(&self) {
        self.worker.work(Queue::Live, &[delivery(Kind::Patient, &patient(7))]).await.unwrap();
    }

    /// The letter's state, the event's status in the ledger, and the number of stored appointments.
    async fn stands(&self) -> (DeadLetterState, String, u64) {
        let database = &self.database.connection;
        let letter = dead_letter::Entity::find().one(database).await.unwrap().unwrap();
        let rows = event::Entity::find().all(database).await.unwrap();
        let outcome = rows.into_iter().find(|row| row.kind == "appointment").unwrap().outcome;
        assert_eq!(parked_event::Entity::find().count(database).await.unwrap(), 0, "no event is parked");
        (letter.state, outcome, appointments::Entity::find().count(database).await.unwrap())
    }
}

fn actor() -> Actor {
    Actor { name: "Meera".to_owned(), origin: Origin::CommandLine }
}

#[tokio::test]
async fn are_retried_by_the_commit_that_stores_the_parent() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let scene = Scene::new(backend).await;
        scene.patient_arrives().await;
        assert_eq!(scene.stands().await, (DeadLetterState::Resolved, "created".to_owned(), 1), "{backend:?}");
        scene.patient_arrives().await;
        assert_eq!(scene.stands().await, (DeadLetterState::Resolved, "created".to_owned(), 1), "{backend:?}");
    }
}

#[tokio::test]
async fn stay_discarded() {
    let scene = Scene::new(Backend::Postgres).await;
    let chosen = Selection::only(scene.letter);
    dead_letters::discard(&scene.database.connection, &actor(), &chosen, "entered by hand").await.unwrap();
    scene.patient_arrives().await;
    assert_eq!(scene.stands().await, (DeadLetterState::Discarded, "failed".to_owned(), 0));
}

#[tokio::test]
async fn are_settled_in_a_job_that_has_not_published_them_and_left_to_one_that_has() {
    let scene = Scene::new(Backend::Postgres).await;
    let database = &scene.database.connection;
    jobs::make(database, &actor(), &Selection::only(scene.letter), 1).await.unwrap();
    scene.patient_arrives().await;
    assert_eq!(scene.stands().await, (DeadLetterState::Resolved, "created".to_owned(), 1));
    let place = replay_job_letter::Entity::find().one(database).await.unwrap().unwrap();
    assert_eq!(place.state, JobLetterState::Resolved);

    let scene = Scene::new(Backend::Postgres).await;
    let database = &scene.database.connection;
    let job = jobs::make(database, &actor(), &Selection::only(scene.letter), 1).await.unwrap();
    let taken = format!("UPDATE dead_letters SET state = 'replaying', job_id = '{}'", job.id);
    database.execute_unprepared(&taken).await.unwrap();
    scene.patient_arrives().await;
    assert_eq!(
        scene.stands().await,
        (DeadLetterState::Replaying, "failed".to_owned(), 0),
        "its message is in the queue"
    );
}

/// The same delivery may fail again with another cause.
#[tokio::test]
async fn are_open_again_when_the_database_refuses_them() {
    let scene = Scene::new(Backend::Postgres).await;
    let database = &scene.database.connection;
    let refuse = "ALTER TABLE appointments ADD CONSTRAINT refused CHECK (length(status) > 100)";
    database.execute_unprepared(refuse).await.unwrap();
    for _ in 0..2 {
        scene.patient_arrives().await;
        assert_eq!(scene.stands().await, (DeadLetterState::Open, "failed".to_owned(), 0));
        let letter = dead_letter::Entity::find().one(database).await.unwrap().unwrap();
        assert_eq!((letter.class.as_str(), letter.attempts, letter.waiting_kind), ("data", 2, None));
    }
}
