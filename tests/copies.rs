//! Duplicates that arrive after the first delivery is stored: a worker finds them without querying the ledger for
//! every new event.

use std::sync::{Arc, Mutex};

use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{event, patient};
use careq_shared::records::Kind;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};

use crate::harness::{self, Backend, FreshDatabase, WorkerLane, delivery};

const EVENTS: i64 = 20;

/// Statements on the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Said {
    asked: usize,
    written: usize,
}

#[tokio::test]
async fn the_first_copy_is_found_when_it_is_written_and_the_next_before() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut database = FreshDatabase::new(backend).await;
        let unheard = database.connection.clone();
        let said = listen(&mut database);
        let lane = WorkerLane::new(&database, 256).await;
        let webhook = |number| delivery(Kind::Patient, &harness::patient(number));
        let batch: Vec<Delivery> = (1..=EVENTS).map(webhook).collect();

        lane.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(said(), Said { asked: 0, written: 1 }, "{backend:?}: a first delivery is not looked up");
        let first = ledger(&unheard).await;
        assert_eq!(i64::try_from(first.len()).unwrap(), EVENTS);

        lane.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(said(), Said { asked: 1, written: 2 }, "{backend:?}: the insert hits the unique key");
        lane.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(
            said(),
            Said { asked: 2, written: 2 },
            "{backend:?}: after recent duplicates, the ledger is queried"
        );

        assert_eq!(ledger(&unheard).await, first, "{backend:?}");
        assert_eq!(patient::Entity::find().all(&unheard).await.unwrap().len(), first.len());
    }
}

/// The previous consumer of a redelivered message may have stored it without acknowledging it.
#[tokio::test]
async fn what_was_handed_out_before_is_looked_up() {
    let mut database = FreshDatabase::new(Backend::Sqlite).await;
    let said = listen(&mut database);
    let lane = WorkerLane::new(&database, 256).await;
    let new = delivery(Kind::Patient, &harness::patient(1));
    let again = Delivery { redeliveries: 1, ..delivery(Kind::Patient, &harness::patient(2)) };
    lane.work(Queue::Live, &[new]).await.unwrap();
    assert_eq!(said(), Said { asked: 0, written: 1 });
    lane.work(Queue::Live, &[again]).await.unwrap();
    assert_eq!(said(), Said { asked: 1, written: 2 });
}

/// Counts the statements of the connection from now on.
fn listen(database: &mut FreshDatabase) -> impl Fn() -> Said + use<> {
    let said = Arc::new(Mutex::new(Said::default()));
    let hearing = Arc::clone(&said);
    database.connection.set_metric_callback(move |info| note(&hearing, &info.statement.sql));
    move || *said.lock().unwrap()
}

fn note(said: &Mutex<Said>, statement: &str) {
    let mut said = said.lock().unwrap();
    said.written += usize::from(statement.starts_with(r#"INSERT INTO "events""#));
    said.asked += usize::from(statement.starts_with("SELECT") && statement.contains(r#"FROM "events""#));
}

async fn ledger(database: &DatabaseConnection) -> Vec<event::Model> {
    event::Entity::find().order_by_asc(event::Column::EventId).all(database).await.unwrap()
}
