//! Bounds by bytes: a worker loads waiting events in parts, however large the queues and tables are. The events of
//! another clinic are not delayed by them.

use std::time::{Duration, Instant};

use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{Broker as _, Queue};
use careq_shared::clock;
use careq_shared::entities::{appointment, dead_letter, parked_event, patient};
use careq_shared::records::Kind;
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::harness::{
    self, MIB, OTHER_CLINIC, PARTITIONS, Stack, accept, broker_config, deliver, until, until_within,
};

/// Number of appointments, each with a prescription of one mebibyte.
const LARGE: i64 = 20;

/// Maximum memory of a worker.
const MAX_MEMORY: u64 = 192 * MIB;

/// Time within which another clinic's events are stored. An unoptimised build seals about one mebibyte a second.
const SECONDS: Duration = Duration::from_secs(15);

#[tokio::test]
async fn large_events_are_processed_in_parts() {
    let mut stack = Stack::full(0, &[("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")]).await;
    let (connection, prefix) = (stack.database.connection.clone(), stack.prefix.clone().unwrap());
    let broker = RabbitMq::connect(&broker_config(&prefix, PARTITIONS), "test").await.unwrap();
    for careq_id in 1..=LARGE {
        let mut large = harness::appointment(careq_id);
        large["prescription"] = json!("\",".repeat(1 << 19));
        for parent in ["patient_careq_id", "doctor_careq_id", "service_careq_id"] {
            large[parent] = json!(1);
        }
        publish(&broker, Kind::Appointment, &large).await;
    }
    publish(&broker, Kind::Doctor, &harness::doctor(1)).await;
    publish(&broker, Kind::Service, &harness::service(1)).await;

    stack.start_worker().await;
    let parked = || async {
        let parked = parked_event::Entity::find().count(&connection).await.unwrap();
        (parked == LARGE.unsigned_abs()).then_some(())
    };
    until_within(Duration::from_secs(90), "all events wait for their patient", parked).await;

    // All parked events become ready at the same time; another clinic in the same partition is not delayed.
    publish(&broker, Kind::Patient, &harness::patient(1)).await;
    let began_at = Instant::now();
    for careq_id in 1..=20 {
        let mut other = harness::patient(careq_id);
        other["clinic_id"] = json!(OTHER_CLINIC);
        publish(&broker, Kind::Patient, &other).await;
    }
    until_within(SECONDS, "the other clinic's patients are stored", || async {
        let theirs = patient::Entity::find().filter(patient::Column::ClinicId.eq(OTHER_CLINIC));
        (theirs.count(&connection).await.unwrap() == 20).then_some(())
    })
    .await;
    println!("the other clinic's patients are stored after {:?}", began_at.elapsed());
    until_within(Duration::from_secs(90), "all appointments are stored", || async {
        let stored = appointment::Entity::find().count(&connection).await.unwrap();
        (stored == LARGE.unsigned_abs()).then_some(())
    })
    .await;

    // Small events with large rows.
    for careq_id in 1..=LARGE {
        let completed = json!({
            "careq_id": careq_id, "clinic_id": "clinic_abc", "status": "completed", "updated_at": clock::now(),
        });
        publish(&broker, Kind::Status, &completed).await;
    }
    until_within(Duration::from_mins(1), "all appointments are completed", || async {
        let completed = appointment::Entity::find().filter(appointment::Column::Status.eq("completed"));
        (completed.count(&connection).await.unwrap() == LARGE.unsigned_abs()).then_some(())
    })
    .await;
    assert_eq!(dead_letter::Entity::find().count(&connection).await.unwrap(), 0);
    let peak = stack.worker_peak_bytes();
    println!("the worker had at most {} MiB", peak / MIB);
    assert!(peak <= MAX_MEMORY, "{} MiB", peak / MIB);
    broker.close().await;
    stack.finish().await;
}

/// Consumers of the live queue prefetch by count, so a large webhook is published to the bulk queue.
#[tokio::test]
async fn a_large_webhook_goes_to_the_bulk_queue() {
    let mut stack = Stack::full(0, &[]).await;
    let mut large = harness::patient(1);
    large["notes"] = json!("n".repeat(8 * 1_024));
    let asynchronously = [("Prefer", "respond-async")];
    let answer = stack.client.post_with("/patient", &large, &asynchronously).await;
    assert_eq!(answer.status, 202);
    stack.client.post_with("/patient", &harness::patient(2), &asynchronously).await;
    until("each event is in its queue", || async {
        let waiting = (stack.waiting_in(Queue::Live).await, stack.waiting_in(Queue::Bulk).await);
        (waiting == (1, 1)).then_some(())
    })
    .await;
    stack.start_worker().await;
    until("the large event is stored", || stack.client.event_is(&answer.body["data"]["event_id"], "synced"))
        .await;
    stack.finish().await;
}

/// Publishes a batch as the ingress does.
async fn publish(broker: &RabbitMq, kind: Kind, body: &Value) {
    let message = deliver(&accept(kind, body, clock::now())).body;
    let queue = Queue::for_webhook(message.len());
    broker.publish(queue, body["clinic_id"].as_str().unwrap(), message).await.unwrap();
}
