//! Partitions on RabbitMQ: a consumer reads the assigned ones in turn, and loses nothing when the assignment or the
//! number of partitions changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{Broker, Queue, partition};
use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{bodies, consume, messages, publish_of, take};
use crate::harness::{
    assigned, broker_config, clinic_in, delete_queues, fresh_prefix, partition_names, queue_depth,
    until_reads,
};

async fn open(prefix: &str, partitions: u16) -> Arc<dyn Broker> {
    Arc::new(RabbitMq::connect(&broker_config(prefix, partitions), "test").await.unwrap())
}

/// A clinic in each of two partitions.
fn two_clinics() -> [String; 2] {
    [0, 1].map(|partition| clinic_in(partition, 2))
}

fn sorted(bodies: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut sorted: Vec<_> = bodies.into_iter().collect();
    sorted.sort_unstable();
    sorted
}

/// The consumer returns what it has prefetched of a lost partition, and another one gets it. Acknowledged messages are
/// not redelivered.
#[tokio::test]
async fn a_lost_partition_is_continued_by_another_consumer() {
    const OTHERS: u32 = 1_000;
    let prefix = fresh_prefix();
    let (broker, [lost, kept]) = (open(&prefix, 2).await, two_clinics());
    publish_of(&broker, Queue::Live, &lost, 0..40).await;
    publish_of(&broker, Queue::Live, &kept, OTHERS..OTHERS + 40).await;
    let (assign, assignment) = watch::channel(BTreeSet::from([0, 1]));
    let mut first = broker.consume(Queue::Live, messages(8), assignment);
    let mut both = take(&mut first, 8).await;
    let of_lost = |bodies: &[u32]| bodies.iter().filter(|body| **body < OTHERS).count();
    while [0, both.len()].contains(&of_lost(&both)) {
        both.extend(take(&mut first, 1).await);
    }

    assign.send_replace(BTreeSet::from([1]));
    let mut second = broker.consume(Queue::Live, messages(8), assigned([0]));
    let of_lost = of_lost(&both);
    let (of_first, of_second) =
        tokio::join!(take(&mut first, 40 - (both.len() - of_lost)), take(&mut second, 40 - of_lost));
    assert!(of_first.iter().all(|body| *body >= OTHERS), "{of_first:?}");
    let all = both.into_iter().chain(of_first).chain(of_second);
    assert_eq!(sorted(all), (0..40).chain(OTHERS..OTHERS + 40).collect::<Vec<_>>(), "each is delivered once");

    // A redelivered message would be before these.
    publish_of(&broker, Queue::Live, &lost, [50]).await;
    publish_of(&broker, Queue::Live, &kept, [OTHERS + 50]).await;
    assert_eq!((take(&mut first, 1).await, take(&mut second, 1).await), (vec![OTHERS + 50], vec![50]));
    first.close().await;
    second.close().await;
    delete_queues(&prefix, 2).await;
}

/// A consumer without partitions reads nothing, and begins when it is assigned one.
#[tokio::test]
async fn a_partition_that_is_assigned_later_is_read() {
    let prefix = fresh_prefix();
    let (broker, [first, second]) = (open(&prefix, 2).await, two_clinics());
    for queue in [Queue::Live, Queue::Bulk] {
        publish_of(&broker, queue, &first, [1]).await;
        publish_of(&broker, queue, &second, [2]).await;
        let (assign, assignment) = watch::channel(BTreeSet::new());
        let mut consumer = broker.consume(queue, messages(1), assignment);
        let nothing = timeout(Duration::from_millis(300), consumer.next()).await;
        assert!(nothing.is_err(), "{queue}: nothing is assigned");
        for (partition, body) in [(1, 2), (0, 1)] {
            assign.send_replace(BTreeSet::from([partition]));
            assert_eq!(take(&mut consumer, 1).await, [body], "{queue}");
        }
        consumer.close().await;
    }
    delete_queues(&prefix, 2).await;
}

/// The backlog of one clinic does not delay the message of a clinic in another partition.
#[tokio::test]
async fn partitions_are_read_in_turn() {
    const BATCH: usize = 8;
    const QUIET: u32 = 1_000;
    let prefix = fresh_prefix();
    let (broker, [noisy, quiet]) = (open(&prefix, 2).await, two_clinics());
    let backlog = (0..QUIET).map(|body| broker.publish(Queue::Live, &noisy, body.to_string().into()));
    try_join_all(backlog).await.unwrap();
    let mut consumer = consume(&broker, Queue::Live, messages(BATCH));
    take(&mut consumer, BATCH).await;
    publish_of(&broker, Queue::Live, &quiet, [QUIET]).await;
    let queues = partition_names(&prefix, Queue::Live, 2);
    let delivered = async || queue_depth(&queues[1..]).await;
    until_reads(Duration::from_secs(10), "the consumer has the message", &0, delivered).await;
    let mut before = 0;
    loop {
        let batch = take(&mut consumer, 1).await;
        if batch.contains(&QUIET) {
            break;
        }
        before += batch.len();
    }
    // The next batch, and what the connection already held.
    assert!(before <= 8 * BATCH, "{before} messages of the backlog were before it");
    consumer.close().await;
    delete_queues(&prefix, 2).await;
}

/// The prefetched messages of all partitions must fit into memory, and a single partition must fill a batch.
#[tokio::test]
async fn the_prefetch_follows_the_number_of_partitions() {
    const BACKLOG: u32 = 1_000;
    let prefix = fresh_prefix();
    let (broker, clinic) = (open(&prefix, 8).await, clinic_in(0, 8));
    let queue = partition_names(&prefix, Queue::Live, 8).swap_remove(0);
    let backlog = (0..BACKLOG).map(|body| broker.publish(Queue::Live, &clinic, body.to_string().into()));
    try_join_all(backlog).await.unwrap();
    let (assign, assignment) = watch::channel(BTreeSet::new());
    let mut consumer = broker.consume(Queue::Live, messages(1_000), assignment);
    for (partitions, prefetched) in [(8, 256), (1, BACKLOG), (8, 256)] {
        assign.send_replace((0..partitions).collect());
        timeout(Duration::from_secs(20), consumer.next()).await.expect("a message arrives");
        let ready = async || queue_depth(std::slice::from_ref(&queue)).await;
        until_reads(Duration::from_secs(10), "the rest is ready", &(BACKLOG - prefetched), ready).await;
        consumer.requeue().await;
    }
    consumer.close().await;
    delete_queues(&prefix, 8).await;
}

/// A batch may have 16 MiB, so no second one is held in memory.
#[tokio::test]
async fn the_bulk_queue_is_read_one_by_one_and_its_partitions_in_turn() {
    const QUIET: u32 = 100;
    let prefix = fresh_prefix();
    let (broker, [noisy, quiet]) = (open(&prefix, 2).await, two_clinics());
    publish_of(&broker, Queue::Bulk, &noisy, 0..10).await;
    publish_of(&broker, Queue::Bulk, &quiet, [QUIET]).await;
    let queues = partition_names(&prefix, Queue::Bulk, 2);
    let mut consumer = consume(&broker, Queue::Bulk, messages(1));
    let mut taken = Vec::new();
    for left in (0..=10).rev() {
        let next = timeout(Duration::from_secs(20), consumer.next()).await.expect("a message arrives");
        assert_eq!(next.len(), 1);
        let ready = async || queue_depth(&queues).await;
        until_reads(Duration::from_secs(10), "the others stay in the queues", &left, ready).await;
        taken.extend(bodies(&next));
        consumer.ack().await.unwrap();
    }
    let before = taken.iter().position(|body| *body == QUIET).unwrap();
    assert!(before <= 2, "{taken:?}");
    taken.remove(before);
    assert_eq!(taken, (0..10).collect::<Vec<_>>(), "in order");
    consumer.close().await;
    delete_queues(&prefix, 2).await;
}

/// A wait is dropped whenever a worker has something else to do, even while a message is on its way.
#[tokio::test]
async fn dropped_waits_of_the_bulk_queue_lose_nothing() {
    let prefix = fresh_prefix();
    let (broker, clinics) = (open(&prefix, 2).await, two_clinics());
    let published: Vec<u32> = (0..30).collect();
    for (clinic, body) in clinics.iter().cycle().zip(&published) {
        publish_of(&broker, Queue::Bulk, clinic, [*body]).await;
    }
    let mut consumer = consume(&broker, Queue::Bulk, messages(1));
    let (mut taken, began_at) = (Vec::new(), Instant::now());
    for round in (0..4).cycle() {
        assert!(began_at.elapsed() < Duration::from_mins(1), "{taken:?}");
        let Ok(batch) = timeout(Duration::from_millis(round), consumer.next()).await else { continue };
        assert!(batch.iter().all(|delivery| delivery.redeliveries == 0));
        taken.extend(bodies(&batch));
        consumer.ack().await.unwrap();
        if taken.len() == published.len() {
            break;
        }
    }
    assert_eq!(sorted(taken), published);
    // A close returns the message in flight.
    publish_of(&broker, Queue::Bulk, &clinics[0], [100]).await;
    assert_eq!(bodies(&consumer.next().await), [100]);
    consumer.close().await;
    let mut another = consume(&broker, Queue::Bulk, messages(1));
    assert_eq!(take(&mut another, 1).await, [100]);
    another.close().await;
    delete_queues(&prefix, 2).await;
}

/// Queues of a larger number of partitions are found at the start, or become known by the row of another process.
#[tokio::test]
async fn partitions_beyond_the_setting_are_read() {
    let prefix = fresh_prefix();
    let four = open(&prefix, 4).await;
    for partition in 0..4 {
        publish_of(&four, Queue::Live, &clinic_in(partition, 4), [u32::from(partition)]).await;
    }
    four.close().await;

    let two = open(&prefix, 2).await;
    assert_eq!(two.partitions(), 4);
    assert_eq!(two.ready(Queue::Live).await.map(|ready| ready.total), Ok(4));
    let mut consumer = consume(&two, Queue::Live, messages(8));
    assert_eq!(sorted(take(&mut consumer, 4).await), [0, 1, 2, 3]);
    consumer.close().await;

    two.expect_partitions(6);
    two.expect_partitions(3);
    assert_eq!(two.partitions(), 6, "a smaller number does not hide partitions");
    // Its queues do not exist yet.
    let mut consumer = consume(&two, Queue::Live, messages(8));
    let six = open(&prefix, 6).await;
    publish_of(&six, Queue::Live, &clinic_in(5, 6), [5]).await;
    assert_eq!(take(&mut consumer, 1).await, [5]);
    consumer.close().await;
    two.expect_partitions(u16::MAX);
    assert_eq!(two.partitions(), partition::MAX);
    delete_queues(&prefix, 6).await;
}
