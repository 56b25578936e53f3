//! A poisoned event harms itself alone. The database is made to refuse one patient; its neighbours of the same batch, and
//! bytes that are no message at all, must not notice.

use bytes::Bytes;
use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{dead_letter, event, parked_event, patient};
use careq_shared::records::Kind;
use sea_orm::{ConnectionTrait as _, EntityTrait as _};

use crate::harness::{Backend, FreshDatabase, WorkerLane, delivery, patient as body};

const EVENTS: usize = 40;

#[tokio::test]
async fn data_that_can_never_work_is_dead_at_once_on_sqlite() {
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
async fn data_that_can_never_work_is_dead_at_once_on_postgresql() {
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
async fn what_may_work_later_is_tried_again_on_postgresql() {
    let refuse = "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
                      $$ BEGIN IF NEW.careq_id = 13 THEN RAISE 'not now'; END IF; RETURN NEW; END $$;
                  CREATE TRIGGER poison BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION poison()";
    let database = batch_with_poison(Backend::Postgres, refuse).await;
    assert_eq!(outcome(&database).await, "retrying");
    let parked = parked_event::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!((parked.len(), parked[0].careq_id, parked[0].attempts), (1, 13, 1), "the attempt is counted");
}

async fn batch_with_poison(backend: Backend, refuse: &str) -> FreshDatabase {
    let database = FreshDatabase::new(backend).await;
    database.connection.execute_unprepared(refuse).await.unwrap();
    let lane = WorkerLane::new(&database, 256).await;
    let mut deliveries: Vec<_> =
        (1..).take(EVENTS).map(|careq_id| delivery(Kind::Patient, &body(careq_id))).collect();
    deliveries.push(Delivery { body: Bytes::from_static(b"\xff no message"), redeliveries: 0 });
    lane.work(Queue::Live, &deliveries).await.unwrap();

    let stored = patient::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!(stored.len(), EVENTS - 1, "every neighbour is stored");
    let letters = dead_letter::Entity::find().all(&database.connection).await.unwrap();
    let unreadable: Vec<_> = letters.iter().filter(|letter| letter.class == "undecodable").collect();
    assert_eq!((unreadable.len(), unreadable[0].payload.as_slice()), (1, b"\xff no message".as_slice()));
    database
}

async fn outcome(database: &FreshDatabase) -> String {
    let rows = event::Entity::find().all(&database.connection).await.unwrap();
    assert_eq!(rows.len(), EVENTS, "one row an event");
    rows.into_iter().find(|row| row.careq_id == 13).unwrap().outcome
}
