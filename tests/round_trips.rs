//! Round trips of a batch's transaction: each takes milliseconds if the database is distant.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use careq_shared::broker::{Delivery, Queue};
use careq_shared::records::Kind;
use careq_worker::ReadyQueue;
use serde_json::json;

use crate::harness::{self, Backend, FreshDatabase, TestWorker, delivery};

const MAX_ROUND_TRIPS: usize = 12;

/// `BEGIN`, `SET LOCAL` and `COMMIT`: they are not counted as statements.
const UNCOUNTED: usize = 3;

#[tokio::test]
async fn a_batch_of_every_kind_takes_at_most_twelve_round_trips() {
    let mut database = FreshDatabase::new(Backend::Postgres).await;
    let statements = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&statements);
    database.connection.set_metric_callback(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let worker = TestWorker::new(&database, 256).await;
    let round_trips = async |batch: &[Delivery]| {
        statements.store(0, Ordering::Relaxed);
        worker.batch(Queue::Live, batch.to_vec(), &mut ReadyQueue::default()).await.unwrap();
        statements.load(Ordering::Relaxed) + UNCOUNTED
    };

    round_trips(&new(1)).await;
    let batch = [changes(1), new(2)].concat();
    let taken = round_trips(&batch).await;
    assert!(taken <= MAX_ROUND_TRIPS, "{taken} round trips for changed and new records");
    // The first duplicates repeat the transaction; later ones are looked up.
    round_trips(&batch).await;
    let taken = round_trips(&[batch, changes(2), new(3)].concat()).await;
    assert!(taken <= MAX_ROUND_TRIPS, "{taken} round trips with duplicates");
}

/// A new record of each kind, and an appointment whose parents are missing.
fn new(number: i64) -> Vec<Delivery> {
    vec![
        delivery(Kind::Patient, &harness::patient(number)),
        delivery(Kind::Doctor, &harness::doctor(number)),
        delivery(Kind::Service, &harness::service(number)),
        delivery(Kind::Appointment, &harness::appointment(number)),
        delivery(Kind::Appointment, &harness::appointment(number + 100)),
    ]
}

/// Changes of the records with this number.
fn changes(number: i64) -> Vec<Delivery> {
    let [mut patient, mut doctor, mut service] =
        [harness::patient(number), harness::doctor(number), harness::service(number)];
    patient["first_name"] = json!("Meera");
    doctor["first_name"] = json!("Dr. Meera");
    service["name"] = json!("Consultation");
    let confirmed = json!({ "careq_id": number, "clinic_id": "clinic_abc", "status": "confirmed" });
    vec![
        delivery(Kind::Patient, &patient),
        delivery(Kind::Doctor, &doctor),
        delivery(Kind::Service, &service),
        delivery(Kind::Status, &confirmed),
    ]
}
