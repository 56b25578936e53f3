//! Commands on a job while a worker or the broker is in the middle of an operation. The test's own locks hold each
//! race at its worst moment.

use std::sync::Arc;
use std::time::Duration;

use careq_console::audit::{Actor, Origin};
use careq_console::dead_letters::{Filter, Selection};
use careq_console::jobs::{self, JobLetter, Progress};
use careq_shared::broker::{Delivery, Queue};
use careq_shared::clock;
use careq_shared::config::Process;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, replay_job};
use careq_shared::event::Event;
use careq_shared::message::{self, Content, Message, Replay};
use careq_shared::records::{Kind, Record};
use careq_shared::replay::JobLetterState;
use careq_worker::{Settings, Worker};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, Statement, TransactionTrait as _};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::non_delivering_broker::NonDeliveringBroker;
use super::prepared::{insert_letter_of_bytes, insert_letters};
use crate::harness::{
    Backend, FreshDatabase, TestWorker, accept, appointment, patient, retention, seal, until,
};

/// Dead letters in a job, and a broker that does not deliver.
pub(super) struct Scene {
    database: FreshDatabase,
    pub(super) broker: Arc<NonDeliveringBroker>,
    events: Vec<Event>,
    letters: Vec<Uuid>,
    job_id: Uuid,
}

fn meera() -> Actor {
    Actor { name: "Meera".to_owned(), origin: Origin::CommandLine }
}

impl Scene {
    pub(super) async fn new(events: Vec<Event>) -> Self {
        let database = FreshDatabase::new(Backend::Postgres).await;
        let letters = insert_letters(&database.connection, &events).await;
        Self::with_job(database, events, letters).await
    }

    /// The scene with one letter of undecodable bytes.
    async fn with_bytes(bytes: &[u8]) -> Self {
        let database = FreshDatabase::new(Backend::Postgres).await;
        let letter = insert_letter_of_bytes(&database.connection, bytes).await;
        Self::with_job(database, Vec::new(), vec![letter]).await
    }

    pub(super) async fn with_job(database: FreshDatabase, events: Vec<Event>, letters: Vec<Uuid>) -> Self {
        let chosen = Selection::new(Filter { ids: letters.clone(), ..Filter::default() }, false).unwrap();
        let job = jobs::make(&database.connection, &meera(), &chosen, 100).await.unwrap();
        Self { database, broker: Arc::default(), events, letters, job_id: job.id }
    }

    async fn with_patients(count: i64) -> Self {
        let event = |number| accept(Kind::Patient, &patient(number), clock::now());
        Self::new((1..=count).map(event).collect()).await
    }

    fn connection(&self) -> &DatabaseConnection {
        &self.database.connection
    }

    pub(super) fn worker(&self) -> RunningWorker {
        let settings = Settings {
            concurrency: 1,
            batch_size: 100,
            max_batch_bytes: 16 << 20,
            deadline: Duration::from_secs(20),
            parent_timeout: Duration::from_mins(15),
            sweep_interval: Duration::from_millis(20),
            retention: retention(),
            name: "test".to_owned(),
            process: Process::Worker,
        };
        let broker = Arc::<NonDeliveringBroker>::clone(&self.broker);
        let worker = Worker::new(self.connection().clone(), broker, Arc::new(seal()), settings);
        let shutdown = CancellationToken::new();
        RunningWorker { task: tokio::spawn(worker.run(shutdown.clone())), shutdown }
    }

    async fn execute(&self, sql: &str) {
        self.connection().execute_unprepared(sql).await.unwrap();
    }

    pub(super) async fn progress(&self) -> Progress {
        jobs::get(self.connection(), self.job_id).await.unwrap().progress
    }

    /// States of the first letter and of its entry in the job.
    async fn states(&self) -> (DeadLetterState, JobLetterState) {
        let letter = dead_letter::Entity::find_by_id(self.letters[0]).one(self.connection()).await.unwrap();
        let places = jobs::letters(self.connection(), self.job_id, None, None, 1).await.unwrap().items;
        (letter.unwrap().state, places.first().map(|place: &JobLetter| place.state).unwrap())
    }

    async fn job_is_released(&self) {
        until("the job is released", || async {
            let job = replay_job::Entity::find_by_id(self.job_id).one(self.connection()).await.unwrap();
            job.unwrap().lease_ends_at.is_none().then_some(())
        })
        .await;
    }

    /// Waits until this number of sessions of the database wait for a lock. Fails if the concurrent task has
    /// ended.
    async fn blocked(&self, sessions: i64, meanwhile: &JoinHandle<impl Send>) {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("the sessions wait for a lock", || async {
            let select = Statement::from_string(self.connection().get_database_backend(), sql);
            let row = self.connection().query_one(select).await.unwrap().unwrap();
            let waiting: i64 = row.try_get_by(0).unwrap();
            (waiting >= sessions || meanwhile.is_finished()).then_some(())
        })
        .await;
    }

    fn cancelled(&self) -> JoinHandle<Result<jobs::Job, careq_console::Error>> {
        let (database, job_id) = (self.connection().clone(), self.job_id);
        tokio::spawn(async move { jobs::cancel(&database, &meera(), job_id).await })
    }
}

pub(super) struct RunningWorker {
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl RunningWorker {
    /// Stops the worker after it has finished its current step.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn the_broker_is_unavailable_during_a_job() {
    let scene = Scene::with_patients(3).await;
    scene.broker.set_unavailable(true);
    let worker = scene.worker();
    until("it has tried to publish", || async { (scene.broker.failed_publishes() >= 2).then_some(()) }).await;
    // The progress of a worker that cannot publish is still visible.
    jobs::pause(scene.connection(), &meera(), scene.job_id).await.unwrap();
    scene.job_is_released().await;
    jobs::resume(scene.connection(), &meera(), scene.job_id).await.unwrap();
    for _ in 0..3 {
        let failed = scene.broker.failed_publishes();
        until("it retries", || async { (scene.broker.failed_publishes() > failed).then_some(()) }).await;
        // The job's lease is set to expired.
        scene.execute("UPDATE replay_jobs SET lease_ends_at = lease_ends_at - interval '1 hour'").await;
    }
    assert_eq!(scene.progress().await.pending, 3);

    scene.broker.set_unavailable(false);
    until("the letters are published", || async { (scene.progress().await.published == 3).then_some(()) })
        .await;
    worker.stop().await;
    assert_eq!(scene.broker.published().len(), 1, "one worker holds the job and publishes it once");
}

#[tokio::test]
async fn a_paused_job_is_released_at_once() {
    let scene = Scene::with_patients(1).await;
    let worker = scene.worker();
    until("the letter is published", || async { (scene.progress().await.published == 1).then_some(()) })
        .await;
    jobs::pause(scene.connection(), &meera(), scene.job_id).await.unwrap();
    scene.job_is_released().await;
    worker.stop().await;
}

#[tokio::test]
async fn cancelled_while_its_letters_are_taken() {
    let scene = Scene::with_patients(1).await;
    let held = scene.connection().begin().await.unwrap();
    held.execute_unprepared("SELECT 1 FROM dead_letters FOR UPDATE").await.unwrap();
    let worker = scene.worker();
    scene.blocked(1, &worker.task).await;
    let cancelled = scene.cancelled();
    scene.blocked(2, &cancelled).await;
    held.commit().await.unwrap();
    cancelled.await.unwrap().unwrap();
    worker.stop().await;
    assert_eq!(scene.states().await, (DeadLetterState::Open, JobLetterState::Cancelled));
}

#[tokio::test]
async fn cancelled_while_a_worker_parks_a_letters_event() {
    let scene = Scene::new(vec![accept(Kind::Appointment, &appointment(7), clock::now())]).await;
    let taken = format!("UPDATE dead_letters SET state = 'replaying', job_id = '{}'", scene.job_id);
    scene.execute(&taken).await;
    let replay = Replay { job_id: scene.job_id, events: scene.events.clone() };
    let body = message::encode(&Message { reply_to: None, content: Content::Replay(replay) }).unwrap().into();
    let worker = TestWorker::new(&scene.database, 100).await;

    let held = scene.connection().begin().await.unwrap();
    // Reading stays possible.
    held.execute_unprepared("LOCK TABLE parked_events IN SHARE MODE").await.unwrap();
    let parked = tokio::spawn(async move {
        worker.work(Queue::Bulk, &[Delivery { body, redeliveries: 0, trace: None }]).await
    });
    scene.blocked(1, &parked).await;
    let cancelled = scene.cancelled();
    scene.blocked(2, &cancelled).await;
    held.commit().await.unwrap();
    parked.await.unwrap().unwrap();
    cancelled.await.unwrap().unwrap();
    assert_eq!(scene.states().await, (DeadLetterState::Replaying, JobLetterState::Waiting));
}

/// A published letter may get no outcome, for example if a worker of an older version could not decode the message.
#[tokio::test]
async fn letters_without_an_outcome_are_published_again() {
    let scene = Scene::with_patients(2).await;
    let worker = scene.worker();
    let published = |times| {
        let scene = &scene;
        until("the letters are published", move || async move {
            let progress = scene.progress().await;
            (scene.broker.published().len() == times && progress.published == 2).then_some(())
        })
    };
    published(1).await;
    scene.execute("UPDATE replay_job_letters SET published_at = published_at - interval '1 hour'").await;
    published(2).await;
    worker.stop().await;
    assert_eq!(scene.broker.published()[0], scene.broker.published()[1]);
}

#[tokio::test]
async fn a_message_unreadable_to_another_version_is_replayed_unchanged() {
    let content = Content::Event(Box::new(accept(Kind::Patient, &patient(7), clock::now())));
    let message = message::encode(&Message { reply_to: None, content }).unwrap();
    let scene = Scene::with_bytes(&message).await;
    let worker = scene.worker();
    until("the letter is settled", || async { (scene.progress().await.settled() == 1).then_some(()) }).await;
    worker.stop().await;
    assert_eq!(scene.broker.published(), [message]);
    assert_eq!(scene.states().await, (DeadLetterState::Resolved, JobLetterState::Resolved));
}

#[tokio::test]
async fn letters_of_many_bytes_go_in_several_messages() {
    let long = |number| {
        let mut body = patient(number);
        body["notes"] = "a long story ".repeat(150_000).into();
        let mut event = accept(Kind::Patient, &patient(number), clock::now());
        if let Record::Patient(patient) = &mut event.record {
            patient.notes = body["notes"].as_str().map(str::to_owned);
        }
        event
    };
    let scene = Scene::new((1..=6).map(long).collect()).await;
    let worker = scene.worker();
    until("the letters are published", || async { (scene.progress().await.published == 6).then_some(()) })
        .await;
    worker.stop().await;
    let sizes: Vec<_> = scene.broker.published().iter().map(bytes::Bytes::len).collect();
    assert!(sizes.len() >= 3 && sizes.iter().all(|bytes| *bytes <= 4 * 1_048_576), "{sizes:?}");
}
