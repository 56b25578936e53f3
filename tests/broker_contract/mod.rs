//! The contract of the broker abstraction: RabbitMQ and the embedded queue pass the same suite. The submodules have
//! tests of RabbitMQ alone.

mod connections;
mod partitions;
mod unusable_queues;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{BatchLimit, Broker, Consumer, DELIVERY_LIMIT, Delivery, Queue};
use tempfile::TempDir;

use crate::harness::{
    CLINIC, PARTITIONS, assigned, broker_config, clinic_in, delete_queues, fresh_prefix, until,
};

/// A broker that can be closed and opened again, as a restart of the process does.
enum Installation {
    Embedded(TempDir),
    RabbitMq(String),
}

impl Installation {
    fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    fn rabbitmq() -> Self {
        Self::RabbitMq(fresh_prefix())
    }

    async fn open(&self) -> Arc<dyn Broker> {
        match self {
            Self::Embedded(folder) => Arc::new(open_embedded(folder.path()).await),
            Self::RabbitMq(prefix) => {
                Arc::new(RabbitMq::connect(&broker_config(prefix, PARTITIONS), "test").await.unwrap())
            }
        }
    }

    async fn remove(self) {
        if let Self::RabbitMq(prefix) = self {
            delete_queues(&prefix, PARTITIONS).await;
        }
    }
}

/// The lock of the file's previous owner may be released with a delay.
async fn open_embedded(folder: &Path) -> Embedded {
    until("the queue file is free", || async { Embedded::open(folder).await.ok() }).await
}

macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod embedded { $(
            #[tokio::test]
            async fn $promise() {
                let installation = super::Installation::embedded();
                super::$promise(&installation).await;
                installation.remove().await;
            }
        )* }
        mod rabbitmq { $(
            #[tokio::test]
            async fn $promise() {
                let installation = super::Installation::rabbitmq();
                super::$promise(&installation).await;
                installation.remove().await;
            }
        )* }
    };
}

contract!(
    messages_arrive_in_order_and_in_batches,
    messages_of_each_clinic_arrive_in_order,
    a_batch_is_bounded_by_bytes,
    acknowledged_messages_are_not_redelivered,
    requeued_messages_are_redelivered,
    in_flight_messages_are_redelivered_after_the_process_ends,
    a_message_survives_its_publisher,
    a_message_of_many_frames_arrives_whole,
    a_message_at_the_delivery_limit_goes_to_the_dead_queue,
    a_waiting_consumer_gets_a_new_message,
    a_dropped_wait_loses_nothing,
    two_consumers_share_a_queue,
    results_reach_the_mailbox_they_are_sent_to,
);

async fn publish(broker: &Arc<dyn Broker>, queue: Queue, bodies: impl IntoIterator<Item = u32>) {
    publish_of(broker, queue, CLINIC, bodies).await;
}

/// Publishes messages of a clinic, one after the other.
async fn publish_of(
    broker: &Arc<dyn Broker>,
    queue: Queue,
    clinic: &str,
    bodies: impl IntoIterator<Item = u32>,
) {
    for body in bodies {
        broker.publish(queue, clinic, body.to_string().into()).await.unwrap();
    }
}

/// A consumer of all partitions of a queue.
fn consume(broker: &Arc<dyn Broker>, queue: Queue, limit: BatchLimit) -> Box<dyn Consumer> {
    let partitions = if queue == Queue::Dead { 1 } else { broker.partitions() };
    broker.consume(queue, limit, assigned(0..partitions))
}

fn bodies(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries.iter().map(|delivery| std::str::from_utf8(&delivery.body).unwrap().parse().unwrap()).collect()
}

/// Takes and acknowledges this number of messages.
async fn take(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<u32> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await;
        taken.extend(bodies(&next.expect("a message arrives within 20 s")));
        consumer.ack().await.unwrap();
    }
    taken
}

async fn messages_arrive_in_order_and_in_batches(installation: &Installation) {
    let broker = installation.open().await;
    publish(&broker, Queue::Live, 0..50).await;
    let mut consumer = consume(&broker, Queue::Live, messages(8));
    let mut seen = Vec::new();
    while seen.len() < 50 {
        let batch = consumer.next().await;
        assert!((1..=8).contains(&batch.len()));
        assert!(batch.iter().all(|delivery| delivery.redeliveries == 0));
        seen.extend(bodies(&batch));
        consumer.ack().await.unwrap();
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    consumer.close().await;
}

async fn messages_of_each_clinic_arrive_in_order(installation: &Installation) {
    const CLINICS: u32 = 4;
    let broker = installation.open().await;
    let clinics = [0, 1, 2, 3].map(|partition| clinic_in(partition, 4));
    for (body, clinic) in (0..60).zip(clinics.iter().cycle()) {
        publish_of(&broker, Queue::Live, clinic, [body]).await;
    }
    let mut consumer = consume(&broker, Queue::Live, messages(8));
    let taken = take(&mut consumer, 60).await;
    let published: Vec<u32> = (0..60).collect();
    for clinic in 0..CLINICS {
        let of_clinic = |bodies: &[u32]| -> Vec<u32> {
            bodies.iter().copied().filter(|body| body % CLINICS == clinic).collect()
        };
        assert_eq!(of_clinic(&taken), of_clinic(&published), "{taken:?}");
    }
    consumer.close().await;
}

async fn a_batch_is_bounded_by_bytes(installation: &Installation) {
    const SIZE: usize = 100_000;
    let broker = installation.open().await;
    for _ in 0..6 {
        broker.publish(Queue::Live, CLINIC, vec![b' '; SIZE].into()).await.unwrap();
    }
    for (bytes, largest) in [(1, 1), (SIZE * 5 / 2, 3)] {
        let mut consumer = consume(&broker, Queue::Live, BatchLimit { messages: 32, bytes });
        let mut taken = 0;
        while taken < 3 {
            let batch = consumer.next().await;
            assert!((1..=largest).contains(&batch.len()), "{bytes}: {}", batch.len());
            taken += batch.len();
            consumer.ack().await.unwrap();
        }
        consumer.close().await;
    }
}

async fn acknowledged_messages_are_not_redelivered(installation: &Installation) {
    let broker = installation.open().await;
    publish(&broker, Queue::Live, 0..10).await;
    let mut consumer = consume(&broker, Queue::Live, messages(4));
    take(&mut consumer, 10).await;
    consumer.close().await;
    publish(&broker, Queue::Live, [99]).await;
    let mut consumer = consume(&broker, Queue::Live, messages(4));
    assert_eq!(take(&mut consumer, 1).await, [99]);
    consumer.close().await;
}

async fn requeued_messages_are_redelivered(installation: &Installation) {
    let broker = installation.open().await;
    publish(&broker, Queue::Live, 0..6).await;
    let mut consumer = consume(&broker, Queue::Live, messages(3));
    assert!(!consumer.next().await.is_empty());
    consumer.requeue().await;
    let mut seen = take(&mut consumer, 6).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..6).collect::<Vec<_>>());
    consumer.close().await;
}

async fn in_flight_messages_are_redelivered_after_the_process_ends(installation: &Installation) {
    {
        let broker = installation.open().await;
        publish(&broker, Queue::Live, 0..6).await;
        let mut consumer = consume(&broker, Queue::Live, messages(3));
        assert!(!consumer.next().await.is_empty());
        // Like a killed process: neither settled nor closed.
        drop(consumer);
    }
    let broker = installation.open().await;
    let mut consumer = consume(&broker, Queue::Live, messages(6));
    let mut seen = take(&mut consumer, 6).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..6).collect::<Vec<_>>());
    consumer.close().await;
}

async fn a_message_survives_its_publisher(installation: &Installation) {
    publish(&installation.open().await, Queue::Bulk, [7]).await;
    let broker = installation.open().await;
    let mut consumer = consume(&broker, Queue::Bulk, messages(1));
    assert_eq!(take(&mut consumer, 1).await, [7]);
    consumer.close().await;
}

async fn a_message_of_many_frames_arrives_whole(installation: &Installation) {
    let broker = installation.open().await;
    let long: Bytes = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
    broker.publish(Queue::Bulk, CLINIC, long.clone()).await.unwrap();
    let mut consumer = consume(&broker, Queue::Bulk, messages(1));
    let [delivery] = &consumer.next().await[..] else { panic!("one message") };
    assert!(delivery.body == long);
    consumer.ack().await.unwrap();
    consumer.close().await;
}

async fn a_message_at_the_delivery_limit_goes_to_the_dead_queue(installation: &Installation) {
    publish(&installation.open().await, Queue::Live, [13]).await;
    let mut redeliveries = Vec::new();
    // A worker that crashes at each delivery.
    for _ in 0..=DELIVERY_LIMIT {
        let broker = installation.open().await;
        let mut consumer = consume(&broker, Queue::Live, messages(1));
        redeliveries.extend(consumer.next().await.iter().map(|delivery| delivery.redeliveries));
        drop(consumer);
    }
    assert_eq!(redeliveries, (0..=DELIVERY_LIMIT).collect::<Vec<_>>(), "every redelivery is counted");
    let broker = installation.open().await;
    let mut dead = consume(&broker, Queue::Dead, messages(1));
    assert_eq!(take(&mut dead, 1).await, [13]);
    dead.close().await;
}

async fn a_waiting_consumer_gets_a_new_message(installation: &Installation) {
    let broker = installation.open().await;
    let mut consumer = consume(&broker, Queue::Live, messages(4));
    let waiting = tokio::spawn(async move {
        let taken = take(&mut consumer, 3).await;
        consumer.close().await;
        taken
    });
    publish(&broker, Queue::Live, 0..3).await;
    assert_eq!(waiting.await.unwrap(), [0, 1, 2]);
}

async fn a_dropped_wait_loses_nothing(installation: &Installation) {
    let broker = installation.open().await;
    for (queue, limit) in [(Queue::Live, messages(4)), (Queue::Bulk, messages(1))] {
        let mut consumer = consume(&broker, queue, limit);
        for body in 0..20 {
            // The wait is dropped at different stages.
            let nothing = tokio::time::timeout(Duration::from_millis(u64::from(body % 5)), consumer.next());
            assert!(nothing.await.is_err(), "nothing has been published");
            publish(&broker, queue, [body]).await;
            assert_eq!(take(&mut consumer, 1).await, [body]);
        }
        consumer.close().await;
    }
}

async fn two_consumers_share_a_queue(installation: &Installation) {
    let broker = installation.open().await;
    let (mut one, mut two) =
        (consume(&broker, Queue::Live, messages(2)), consume(&broker, Queue::Live, messages(2)));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    publish(&broker, Queue::Live, 0..200).await;
    while first.len() + second.len() < 200 {
        tokio::select! {
            batch = one.next() => { first.extend(bodies(&batch)); one.ack().await.unwrap(); }
            batch = two.next() => { second.extend(bodies(&batch)); two.ack().await.unwrap(); }
        }
    }
    let mut all: Vec<_> = first.into_iter().chain(second).collect();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
    one.close().await;
    two.close().await;
}

async fn results_reach_the_mailbox_they_are_sent_to(installation: &Installation) {
    let broker = installation.open().await;
    let (mut mine, other) = (broker.mailbox(), broker.mailbox());
    let address = mine.address.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    broker.tell("nobody", "lost".into());
    broker.tell(&address, "found".into());
    assert_eq!(mine.messages.recv().await.unwrap(), "found");
    assert!(other.messages.is_empty());
}

/// A limit by count, whatever the messages' sizes are.
const fn messages(messages: usize) -> BatchLimit {
    BatchLimit { messages, bytes: usize::MAX }
}
