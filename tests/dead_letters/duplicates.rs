//! Duplicates of a replayed message, as left by a worker that died: one counts, and only while its job holds the
//! letter.

use careq_console::audit::{Actor, Origin};
use careq_console::dead_letters::{self, Filter, Selection};
use careq_console::jobs;
use careq_shared::broker::{Delivery, Queue};
use careq_shared::clock;
use careq_shared::dead_letters::{DeadLetterState, letter_id};
use careq_shared::entities::{dead_letter, dead_letter_attempt, patient as patients};
use careq_shared::event::{Event, IdempotencyKey};
use careq_shared::message::{self, Content, Message, Replay};
use careq_shared::records::Kind;
use careq_shared::replay::{UnderWay, under_way};
use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use uuid::Uuid;

use crate::harness::{Backend, FreshDatabase, TestWorker, accept, deliver, patient};

const REFUSE: &str = "ALTER TABLE patients ADD CONSTRAINT refused CHECK (careq_id <> 13)";

/// A dead letter, and workers that get batches only from the test.
struct Scene {
    database: FreshDatabase,
    workers: [TestWorker; 2],
    event: Event,
}

impl Scene {
    async fn new() -> Self {
        let database = FreshDatabase::new(Backend::Postgres).await;
        database.connection.execute_unprepared(REFUSE).await.unwrap();
        let workers = [TestWorker::new(&database, 256).await, TestWorker::new(&database, 256).await];
        let event = accept(Kind::Patient, &patient(13), clock::now());
        workers[0].work(Queue::Live, &[deliver(&event)]).await.unwrap();
        let scene = Self { database, workers, event };
        assert_eq!(scene.letter().await, (DeadLetterState::Open, 1, 1));
        scene
    }

    /// A job that has taken and published the letter.
    async fn job(&self) -> Uuid {
        let actor = Actor { name: "Meera".to_owned(), origin: Origin::CommandLine };
        let chosen = Selection::only(letter_id(self.event.event_id.as_str()));
        let job = jobs::make(&self.database.connection, &actor, &chosen, 1).await.unwrap();
        let taken = format!("UPDATE dead_letters SET state = 'replaying', job_id = '{}'", job.id);
        self.database.connection.execute_unprepared(&taken).await.unwrap();
        job.id
    }

    fn duplicate(&self, job_id: Uuid) -> Delivery {
        let content = Content::Replay(Replay { job_id, events: vec![self.event.clone()] });
        let body = message::encode(&Message { reply_to: None, content }).unwrap();
        Delivery { body: body.into(), redeliveries: 0, trace: None }
    }

    /// Both workers process the message concurrently, twice each.
    async fn duplicates(&self, job_id: Uuid) {
        let twice = [self.duplicate(job_id), self.duplicate(job_id)];
        let [one, other] = &self.workers;
        let worked = tokio::join!(one.work(Queue::Bulk, &twice), other.work(Queue::Bulk, &twice));
        assert_eq!(worked, (Ok(()), Ok(())));
    }

    /// The letter's state, its attempts, and its number of failures.
    async fn letter(&self) -> (DeadLetterState, i32, usize) {
        let letters = dead_letter::Entity::find().all(&self.database.connection).await.unwrap();
        let failures = dead_letter_attempt::Entity::find().all(&self.database.connection).await.unwrap();
        assert_eq!(letters.len(), 1, "the letter has one row");
        (letters[0].state, letters[0].attempts, failures.len())
    }
}

/// Job metrics of `/metrics`: totals for all jobs, with every state present even at zero.
#[tokio::test]
async fn jobs_and_their_letters_are_counted_by_state() {
    let scene = Scene::new().await;
    let database = &scene.database.connection;
    let counted = || async {
        let UnderWay { jobs, letters } = under_way(database).await.unwrap();
        let jobs: Vec<_> = jobs.into_iter().map(|(state, count)| format!("{state} {count}")).collect();
        let letters: Vec<_> = letters.into_iter().map(|(state, count)| format!("{state} {count}")).collect();
        (jobs.join(", "), letters.join(", "))
    };
    let none = "pending 0, published 0, waiting 0";
    let nothing = ("running 0, paused 0, cancelled 0, finished 0".to_owned(), none.to_owned());
    assert_eq!(counted().await, nothing);
    let (job, actor) = (scene.job().await, Actor { name: "Meera".to_owned(), origin: Origin::CommandLine });
    let (jobs_stand, letters_stand) = counted().await;
    assert_eq!(jobs_stand, "running 1, paused 0, cancelled 0, finished 0");
    assert_eq!(letters_stand, "pending 1, published 0, waiting 0");
    jobs::pause(database, &actor, job).await.unwrap();
    assert_eq!(counted().await, ("running 0, paused 1, cancelled 0, finished 0".to_owned(), letters_stand));
    jobs::cancel(database, &actor, job).await.unwrap();
    assert_eq!(counted().await, ("running 0, paused 0, cancelled 1, finished 0".to_owned(), none.to_owned()));
}

#[tokio::test]
async fn one_of_many_duplicates_counts() {
    let scene = Scene::new().await;
    let first = scene.job().await;
    scene.duplicates(first).await;
    assert_eq!(scene.letter().await, (DeadLetterState::Open, 2, 2), "it was attempted once and failed again");
    let progress = jobs::get(&scene.database.connection, first).await.unwrap().progress;
    assert_eq!(
        (progress.failed, progress.pending),
        (1, 0),
        "the job has the result, although it had not marked the letter as published"
    );

    let mend = "ALTER TABLE patients DROP CONSTRAINT refused";
    scene.database.connection.execute_unprepared(mend).await.unwrap();
    scene.duplicates(first).await;
    assert_eq!(
        scene.letter().await,
        (DeadLetterState::Open, 2, 2),
        "late duplicates of an earlier job change nothing"
    );
    let second = scene.job().await;
    scene.duplicates(first).await;
    assert_eq!(
        scene.letter().await.0,
        DeadLetterState::Replaying,
        "they change nothing while another job holds the letter"
    );
    scene.duplicates(second).await;
    assert_eq!(scene.letter().await, (DeadLetterState::Resolved, 2, 2));
    assert_eq!(patients::Entity::find().all(&scene.database.connection).await.unwrap().len(), 1);
}

#[tokio::test]
async fn duplicates_of_a_cancelled_job_change_nothing() {
    let scene = Scene::new().await;
    let mend = "ALTER TABLE patients DROP CONSTRAINT refused";
    scene.database.connection.execute_unprepared(mend).await.unwrap();
    let job = scene.job().await;
    let actor = Actor { name: "Meera".to_owned(), origin: Origin::CommandLine };
    jobs::cancel(&scene.database.connection, &actor, job).await.unwrap();
    scene.duplicates(job).await;
    assert_eq!(scene.letter().await, (DeadLetterState::Open, 1, 1));
    assert!(patients::Entity::find().all(&scene.database.connection).await.unwrap().is_empty());
}

/// A worker is killed between its commit and its acknowledgement. The ledger has no row of the failure.
#[tokio::test]
async fn a_duplicate_of_a_failed_event_is_not_counted_as_a_failure() {
    let scene = Scene::new().await;
    let (database, worker) = (&scene.database.connection, &scene.workers[0]);
    database.execute_unprepared("DELETE FROM dead_letter_attempts").await.unwrap();
    database.execute_unprepared("DELETE FROM dead_letters").await.unwrap();
    let with_key = |number| {
        let mut event = accept(Kind::Patient, &patient(number), clock::now());
        event.idempotency_key = IdempotencyKey::Sent("used-twice".to_owned());
        event
    };
    let (first, mut second) = (with_key(20), with_key(21));
    worker.work(Queue::Live, &[deliver(&first)]).await.unwrap();
    for _ in 0..2 {
        worker.work(Queue::Live, &[deliver(&second)]).await.unwrap();
    }
    assert_eq!(scene.letter().await, (DeadLetterState::Open, 1, 1));

    let actor = Actor { name: "Meera".to_owned(), origin: Origin::CommandLine };
    let chosen = Selection::new(Filter { careq_id: Some(21), ..Filter::default() }, false).unwrap();
    let discarded = dead_letters::discard(database, &actor, &chosen, "entered by hand").await.unwrap();
    worker.work(Queue::Live, &[deliver(&second)]).await.unwrap();
    assert_eq!(scene.letter().await, (DeadLetterState::Discarded, 1, 1));
    // CareQ sends it again: this is a new delivery and not a duplicate.
    second.accepted_at = clock::now();
    let both = [&scene.workers[0], &scene.workers[1]].map(|worker| {
        let delivery = [deliver(&second)];
        async move { worker.work(Queue::Live, &delivery).await }
    });
    let [one, other] = both;
    assert_eq!(tokio::join!(one, other), (Ok(()), Ok(())));
    assert_eq!(scene.letter().await, (DeadLetterState::Open, 2, 2));
    let letter = dead_letter::Entity::find().one(database).await.unwrap().unwrap();
    assert_eq!(
        (letter.audit_id, letter.reason.as_deref()),
        (Some(discarded.audit_id), Some("entered by hand")),
        "the earlier discard stays recorded"
    );
}
