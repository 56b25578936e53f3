//! Duplicates that arrive after the first delivery is stored: a worker finds them without querying the ledger for
//! every new event.

use std::sync::{Arc, Mutex};

use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{event, patient};
use careq_shared::records::Kind;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};

use crate::harness::{self, Backend, FreshDatabase, TestWorker, delivery};

const EVENTS: i64 = 20;

/// Statements on the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Statements {
    lookups: usize,
    inserts: usize,
}

#[tokio::test]
async fn the_first_duplicate_is_found_by_the_insert_and_the_next_one_by_a_lookup() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut database = FreshDatabase::new(backend).await;
        let unobserved = database.connection.clone();
        let statements = observe(&mut database);
        let worker = TestWorker::new(&database, 256).await;
        let webhook = |number| delivery(Kind::Patient, &harness::patient(number));
        let batch: Vec<Delivery> = (1..=EVENTS).map(webhook).collect();

        worker.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(
            statements(),
            Statements { lookups: 0, inserts: 1 },
            "{backend:?}: a first delivery is not looked up"
        );
        let first = ledger(&unobserved).await;
        assert_eq!(i64::try_from(first.len()).unwrap(), EVENTS);

        worker.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(
            statements(),
            Statements { lookups: 1, inserts: 2 },
            "{backend:?}: the insert hits the unique key"
        );
        worker.work(Queue::Live, &batch).await.unwrap();
        assert_eq!(
            statements(),
            Statements { lookups: 2, inserts: 2 },
            "{backend:?}: after recent duplicates, the ledger is queried"
        );

        assert_eq!(ledger(&unobserved).await, first, "{backend:?}");
        assert_eq!(patient::Entity::find().all(&unobserved).await.unwrap().len(), first.len());
    }
}

/// The previous consumer of a redelivered message may have stored it without acknowledging it.
#[tokio::test]
async fn redelivered_messages_are_looked_up() {
    let mut database = FreshDatabase::new(Backend::Sqlite).await;
    let statements = observe(&mut database);
    let worker = TestWorker::new(&database, 256).await;
    let new = delivery(Kind::Patient, &harness::patient(1));
    let again = Delivery { redeliveries: 1, ..delivery(Kind::Patient, &harness::patient(2)) };
    worker.work(Queue::Live, &[new]).await.unwrap();
    assert_eq!(statements(), Statements { lookups: 0, inserts: 1 });
    worker.work(Queue::Live, &[again]).await.unwrap();
    assert_eq!(statements(), Statements { lookups: 1, inserts: 2 });
}

/// Counts the statements of the connection from now on.
fn observe(database: &mut FreshDatabase) -> impl Fn() -> Statements + use<> {
    let statements = Arc::new(Mutex::new(Statements::default()));
    let counted = Arc::clone(&statements);
    database.connection.set_metric_callback(move |info| count(&counted, &info.statement.sql));
    move || *statements.lock().unwrap()
}

fn count(statements: &Mutex<Statements>, statement: &str) {
    let mut statements = statements.lock().unwrap();
    statements.inserts += usize::from(statement.contains(r#"INSERT INTO "events""#));
    statements.lookups +=
        usize::from(statement.starts_with("SELECT") && statement.contains(r#"FROM "events""#));
}

async fn ledger(database: &DatabaseConnection) -> Vec<event::Model> {
    event::Entity::find().order_by_asc(event::Column::EventId).all(database).await.unwrap()
}
