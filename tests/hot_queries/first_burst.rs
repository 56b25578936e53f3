//! The first burst of a new installation: the ledger grows before PostgreSQL has statistics of it. The number of
//! rows that a batch reads must not depend on that.

use careq_shared::broker::{Delivery, Queue};
use careq_shared::records::Kind;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};

use super::fill;
use crate::harness::{self, Backend, FreshDatabase, TestWorker, delivery, until};

/// Number of events of the same clinic that are already stored.
const EVENTS: i64 = 20_000;

const BATCH: i64 = 256;

/// `careq_id` after those of the stored events.
const FIRST: i64 = 9_000_000_000;

#[tokio::test]
async fn a_batch_reads_its_own_rows_before_any_statistics() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let connection = &database.connection;
    connection.execute_unprepared("ALTER TABLE events SET (autovacuum_enabled = false)").await.unwrap();
    fill::ledger(connection, EVENTS).await;
    let worker = TestWorker::new(&database, 1_000).await;
    let patient = |number| delivery(Kind::Patient, &harness::patient(FIRST + number));
    let batch: Vec<Delivery> = (0..BATCH).map(patient).collect();
    // New events are inserted without a lookup; redelivered ones are looked up.
    worker.work(Queue::Live, &batch).await.unwrap();
    worker.work(Queue::Live, &batch).await.unwrap();

    // A session reports its statistics within a second.
    let read = until("the ledger was looked up", || entries_read(connection)).await;
    assert!(read < BATCH * 10, "{read} entries of the index were read for {BATCH} keys");
}

/// Number of index entries of idempotency keys that statements have read, after the first use of the index.
async fn entries_read(connection: &DatabaseConnection) -> Option<i64> {
    let select = "SELECT idx_tup_read FROM pg_stat_user_indexes
                  WHERE indexrelname = 'events_idempotency_key' AND idx_scan > 0";
    let statement = Statement::from_string(connection.get_database_backend(), select);
    let row = connection.query_one(statement).await.unwrap()?;
    Some(row.try_get_by("idx_tup_read").unwrap())
}
