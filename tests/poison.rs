//! A failing event affects only itself. A constraint refuses one patient; its neighbours in the same batch are
//! stored, and undecodable bytes become a dead letter.

use bytes::Bytes;
use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{dead_letter, event, parked_event, patient};
use careq_shared::records::Kind;
use sea_orm::{ConnectionTrait as _, EntityTrait as _};

use crate::harness::{Backend, FreshDatabase, Stack, TestWorker, delivery, opened, patient as body, until};

const EVENTS: usize = 40;

#[tokio::test]
async fn invalid_data_becomes_a_dead_letter_at_once_on_sqlite() {
    let refuse = "CREATE TRIGGER poison BEFORE INSERT ON patients WHEN NEW.careq_id = 13 BEGIN
                      INSERT INTO patients (id) VALUES ('without the columns that must not be null');
                  END";
    let database = batch_with_poison(Backend::Sqlite, refuse).await;
    let letters = dead_letter::Entity::find().all(&database.connection).await.unwrap();
    let poisoned: Vec<_> = letters.iter().filter(|letter| letter.careq_id == Some(13)).collect();
    assert_eq!((poisoned.len(), poisoned[0].class.as_str()), (1, "data"));
    assert_eq!(outcome(&database).await, "failed");
}

#[tokio::test]
async fn invalid_data_becomes_a_dead_letter_at_once_on_postgresql() {
    let refuse = "ALTER TABLE patients ADD CONSTRAINT poison CHECK (careq_id <> 13)";
    let database = batch_with_poison(Backend::Postgres, refuse).await;
    let letters = dead_letter::Entity::find().all(&database.connection).await.unwrap();
    let poisoned: Vec<_> = letters.iter().filter(|letter| letter.careq_id == Some(13)).collect();
    assert_eq!((poisoned.len(), poisoned[0].class.as_str()), (1, "data"));
    assert!(poisoned[0].message.contains("23514, constraint poison of patients"), "{}", poisoned[0].message);
    assert!(!poisoned[0].message.contains("Asha"), "a message never quotes the data");
    assert_eq!(outcome(&database).await, "failed");
}

#[tokio::test]
async fn temporary_errors_are_retried_on_postgresql() {
    let database = batch_with_poison(Backend::Postgres, REFUSE_FOR_NOW).await;
    assert_eq!(outcome(&database).await, "retrying");
    let parked = parked_event::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!((parked.len(), parked[0].careq_id, parked[0].attempts), (1, 13, 1), "the attempt is counted");
}

#[tokio::test]
async fn a_trigger_error_affects_only_its_event_on_sqlite() {
    let compute = "CREATE TRIGGER poison BEFORE INSERT ON patients WHEN NEW.careq_id = 13 BEGIN
                       SELECT json('{');
                   END";
    let database = batch_with_poison(Backend::Sqlite, compute).await;
    assert_eq!(outcome(&database).await, "retrying");
}

/// The first attempt fails, the sweep retries after a second, and the second attempt succeeds.
#[tokio::test]
async fn a_failed_attempt_is_retried() {
    let stack = Stack::full(2, &[("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")]).await;
    let database = &stack.database.connection;
    database.execute_unprepared(REFUSE_FOR_NOW).await.unwrap();
    let answer = stack.client.post("/patient", &body(13)).await;
    assert_eq!((answer.status, &answer.body["data"]["sync_status"]), (202, &serde_json::json!("queued")));
    assert_eq!(
        parked_event::Entity::find().all(database).await.unwrap().len(),
        1,
        "the failed event is parked"
    );
    database.execute_unprepared("DROP TRIGGER poison ON patients").await.unwrap();
    let event_id = &answer.body["data"]["event_id"];
    until("the next attempt has succeeded", || stack.client.event_is(event_id, "synced")).await;
    assert!(parked_event::Entity::find().all(database).await.unwrap().is_empty());
    stack.finish().await;
}

/// A message that is redelivered repeatedly is parked in the database and processed separately.
#[tokio::test]
async fn a_repeatedly_redelivered_message_is_parked() {
    let database = FreshDatabase::new(Backend::Sqlite).await;
    let worker = TestWorker::new(&database, 256).await;
    let suspicious = Delivery { redeliveries: 3, ..delivery(Kind::Patient, &body(13)) };
    worker.work(Queue::Live, &[suspicious, delivery(Kind::Patient, &body(1))]).await.unwrap();
    let parked = parked_event::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!((parked.len(), parked[0].careq_id, parked[0].attempts), (1, 13, 1));
    assert_eq!(
        patient::Entity::find().all(&database.connection).await.unwrap().len(),
        1,
        "its neighbour is stored"
    );
}

/// The database refuses patient 13 until the constraint is removed.
pub(crate) const REFUSE_FOR_NOW: &str = "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
                      $$ BEGIN IF NEW.careq_id = 13 THEN RAISE 'not now'; END IF; RETURN NEW; END $$;
                  CREATE TRIGGER poison BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION poison()";

async fn batch_with_poison(backend: Backend, refuse: &str) -> FreshDatabase {
    let database = FreshDatabase::new(backend).await;
    database.connection.execute_unprepared(refuse).await.unwrap();
    let worker = TestWorker::new(&database, 256).await;
    let mut deliveries: Vec<_> =
        (1..).take(EVENTS).map(|careq_id| delivery(Kind::Patient, &body(careq_id))).collect();
    deliveries.push(Delivery { body: Bytes::from_static(b"\xff no message"), redeliveries: 0, trace: None });
    worker.work(Queue::Live, &deliveries).await.unwrap();

    let stored = patient::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!(stored.len(), EVENTS - 1, "every neighbour is stored");
    let letters = dead_letter::Entity::find().all(&database.connection).await.unwrap();
    let unreadable: Vec<_> = letters.iter().filter(|letter| letter.class == "undecodable").collect();
    assert_eq!((unreadable.len(), opened(unreadable[0]).as_slice()), (1, b"\xff no message".as_slice()));
    database
}

async fn outcome(database: &FreshDatabase) -> String {
    let rows = event::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!(rows.len(), EVENTS, "one row for each event");
    rows.into_iter().find(|row| row.careq_id == 13).unwrap().outcome
}
