//! Copies that come after the first of them is stored: how a lane finds them without asking the ledger for every new event.

use std::sync::{Arc, Mutex};

use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{event, patient};
use careq_shared::records::Kind;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};

use crate::harness::{self, Backend, FreshDatabase, WorkerLane, delivery};

const EVENTS: i64 = 20;

/// What has been said to the ledger.
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
        assert_eq!(said(), Said { asked: 0, written: 1 }, "{backend:?}: nobody asks for what is new");
        let first = ledger(&unheard).await;
        assert_eq!(i64::try_from(first.len()).unwrap(), EVENTS);

        lane.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(said(), Said { asked: 1, written: 2 }, "{backend:?}: what was written collides");
        lane.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(said(), Said { asked: 2, written: 2 }, "{backend:?}: where copies are about, one asks");

        assert_eq!(ledger(&unheard).await, first, "{backend:?}");
        assert_eq!(patient::Entity::find().all(&unheard).await.unwrap().len(), first.len());
    }
}

/// Whoever had it before may have stored it, and not come to say so.
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

/// Hears what is said over its connection from now on; tells it whenever asked.
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
