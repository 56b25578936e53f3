//! Guarantee 2: the same set of events gives the same tables, in any order, with any duplicates, split into any
//! batches over several workers. The expected tables come from a sequential model. Every page is compared with the
//! model.

mod history;
mod model;
mod pages;
mod status;
mod stored;
mod world;

use careq_shared::broker::{Delivery, Queue};
use careq_shared::event_key::EventKey;
use careq_worker::ReadyQueue;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt, SeedableRng as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};

use crate::harness::{Backend, FreshDatabase, TestWorker};
use history::History;
use model::Truth;
use pages::Pages;
use stored::Tables;

const WORKERS: usize = 3;

/// Number of histories, unless `TEST_HISTORIES` is set.
const HISTORIES: u32 = 40;

#[test]
fn on_sqlite() {
    any_history_gives_the_tables_of_the_model(Backend::Sqlite);
}

#[test]
fn on_postgresql() {
    any_history_gives_the_tables_of_the_model(Backend::Postgres);
}

/// Event key of the clinics, and of the events that the harness accepts.
fn event_key() -> EventKey {
    EventKey::new([1; 32])
}

fn any_history_gives_the_tables_of_the_model(backend: Backend) {
    #[expect(clippy::disallowed_methods, reason = "how many histories")]
    let cases = std::env::var("TEST_HISTORIES").map_or(HISTORIES, |cases| cases.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (database, workers, pages) = runtime.block_on(async {
        let database = FreshDatabase::new(backend).await;
        refuse_poison(backend, &database.connection).await;
        let mut workers = Vec::new();
        for batch in [256, 3, 1] {
            workers.push(TestWorker::new(&database, batch).await);
        }
        let pages = Pages::serve(&database).await;
        (database, workers, pages)
    });
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(world::requests(), any::<u64>()), |(requests, seed)| {
            let history = History::from_requests(&requests);
            let (tables, differences) = runtime.block_on(async {
                empty(&database.connection).await;
                play(&workers, &history.deliveries, seed).await;
                let tables = Tables::read(&database.connection).await;
                let truth = Truth::compute(&history, &tables);
                pages::has_letters_where_it_failed(&tables, &truth);
                let differences = pages.differences(&history, &tables, &truth).await;
                (tables, differences)
            });
            let truth = Truth::compute(&history, &tables);
            prop_assert_eq!(&tables.rows, &truth.rows);
            prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
            Ok(())
        })
        .unwrap();
}

/// The constraint is the same on both databases. SQLite can add one only with a column.
async fn refuse_poison(backend: Backend, database: &DatabaseConnection) {
    let refuse = match backend {
        Backend::Sqlite => "ALTER TABLE patients ADD COLUMN unused text CHECK (first_name <> 'poison')",
        Backend::Postgres => "ALTER TABLE patients ADD CONSTRAINT no_poison CHECK (first_name <> 'poison')",
    };
    database.execute_unprepared(refuse).await.unwrap();
}

/// Shuffles, duplicates and splits the deliveries, and lets several workers process them concurrently.
async fn play(workers: &[TestWorker], deliveries: &[Delivery], seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut deliveries = deliveries.to_vec();
    for _ in 0..chance.random_range(0..=deliveries.len()) {
        let redeliveries = chance.random_range(0..2);
        let copy = &deliveries[chance.random_range(0..deliveries.len())];
        deliveries.push(Delivery { redeliveries, ..copy.clone() });
    }
    deliveries.shuffle(&mut chance);
    let mut work: Vec<Vec<Vec<Delivery>>> = vec![Vec::new(); WORKERS];
    while !deliveries.is_empty() {
        let size = chance.random_range(1..=deliveries.len().min(9));
        let rest = deliveries.split_off(size);
        work[chance.random_range(0..WORKERS)].push(std::mem::replace(&mut deliveries, rest));
    }
    let working = workers.iter().cloned().zip(work).map(|(worker, batches)| {
        tokio::spawn(async move {
            let mut ready = ReadyQueue::default();
            for batch in batches {
                worker.batch(Queue::Live, batch, &mut ready).await.unwrap();
            }
            worker.process_ready(&mut ready).await.unwrap();
        })
    });
    for worker in working.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

async fn empty(database: &DatabaseConnection) {
    let tables = [
        "appointments",
        "patients",
        "doctors",
        "services",
        "events",
        "batches",
        "parked_events",
        "dead_letters",
        "dead_letter_attempts",
    ];
    let delete = tables.map(|table| format!("DELETE FROM {table}")).join("; ");
    database.execute_unprepared(&delete).await.unwrap();
}
