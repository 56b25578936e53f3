//! The contract of the broker abstraction: RabbitMQ and the embedded queue pass the same suite.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{BatchLimit, Broker, Consumer, DELIVERY_LIMIT, Delivery, PublishError, Queue};
use futures_util::future::try_join_all;
use lapin::options::QueueDeleteOptions;
use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::{
    Stack, broker_config, channel, delete_queues, fresh_prefix, queue_consumers, until, until_reads,
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
                Arc::new(RabbitMq::connect(&broker_config(prefix), "test").await.unwrap())
            }
        }
    }

    async fn remove(self) {
        if let Self::RabbitMq(prefix) = self {
            delete_queues(&prefix).await;
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

/// RabbitMQ distributes messages round-robin among consumers of the same priority; consumers with different
/// priorities receive consecutive messages.
#[tokio::test]
async fn consecutive_messages_go_to_the_same_consumer() {
    let installation = Installation::rabbitmq();
    let Installation::RabbitMq(prefix) = &installation else { unreachable!() };
    let broker = installation.open().await;
    let read = |_| {
        let (mut consumer, taken) =
            (broker.consume(Queue::Live, messages(32)), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&taken);
        let reading = tokio::spawn(async move {
            loop {
                counted.fetch_add(consumer.next().await.len(), Ordering::Relaxed);
                consumer.ack().await.unwrap();
            }
        });
        (taken, AbortOnDropHandle::new(reading))
    };
    let readers = [0, 1].map(read);
    let live = format!("{prefix}.live");
    until("both consumers are registered", || async { (queue_consumers(&live).await == 2).then_some(()) })
        .await;
    publish(&broker, Queue::Live, 0..40).await;
    let counts = || readers.each_ref().map(|(taken, _)| taken.load(Ordering::Relaxed));
    until("all messages are taken", || async { (counts().iter().sum::<usize>() == 40).then_some(()) }).await;
    assert!(counts().contains(&0), "{:?}", counts());
    drop(readers);
    installation.remove().await;
}

/// A missing queue fails only its own messages, until it is declared again.
#[tokio::test]
async fn a_missing_queue_does_not_affect_the_others() {
    let installation = Installation::rabbitmq();
    let Installation::RabbitMq(prefix) = &installation else { unreachable!() };
    let broker = installation.open().await;
    let (_connection, channel) = channel().await;
    let is_over = AtomicBool::new(false);
    let live = async {
        let mut published = 0;
        while !is_over.load(Ordering::Relaxed) {
            let several = (0..64).map(|body: u32| broker.publish(Queue::Live, body.to_string().into()));
            try_join_all(several).await.expect("the live queue is not affected");
            published += 64;
        }
        published
    };
    let bulk = async {
        for _ in 0..3 {
            let delete = QueueDeleteOptions::default();
            channel.queue_delete(format!("{prefix}.bulk").into(), delete).await.unwrap();
            let refused = broker.publish(Queue::Bulk, "lost".into()).await;
            assert_eq!(refused, Err(PublishError::Unroutable));
            until("the queue is declared again", || async {
                broker.publish(Queue::Bulk, "kept".into()).await.ok()
            })
            .await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (published, ()) = tokio::join!(live, bulk);
    assert!(published > 0 && broker.is_connected());
    installation.remove().await;
}

/// A start opens connections for a short time. An improperly closed connection can delay it by a whole deadline.
#[tokio::test]
async fn a_start_closes_its_connections_properly() {
    let workers = 4;
    let stack = Stack::full(workers, &[("CAREQ_LOG_LEVEL", "debug")]).await;
    // Each process has one connection for all queues, and one for each of the two queues that it publishes to.
    let all_closed = (3 * (1 + workers), 0);
    let ends = async || connection_ends(&stack.logged());
    until_reads(Duration::from_secs(10), "every start has closed its connections", &all_closed, ends).await;
    stack.finish().await;
}

/// RabbitMQ logs a warning for a connection that is closed without a handshake, which an operator would have to
/// investigate.
#[tokio::test]
async fn a_stopping_worker_closes_its_connections() {
    let mut stack = Stack::full(1, &[("CAREQ_LOG_LEVEL", "debug")]).await;
    let prefix = stack.prefix.clone().unwrap();
    let queues = ["live", "bulk", "dead"].map(|queue| format!("{prefix}.{queue}"));
    let readers = async || {
        [
            queue_consumers(&queues[0]).await,
            queue_consumers(&queues[1]).await,
            queue_consumers(&queues[2]).await,
        ]
    };
    until_reads(Duration::from_secs(10), "its consumers are registered", &[2, 1, 1], readers).await;
    let (closed, broken_off) = connection_ends(&stack.stop_workers().await);
    // In addition to those of the start: one for each consumer, one for publishing, and one for counting ready
    // messages.
    assert_eq!((closed, broken_off), (3 + 4 + 2, 0));
    stack.finish().await;
}

/// Numbers of connections that were closed properly, and of those that broke off.
fn connection_ends(logged: &str) -> (usize, usize) {
    let count = |ending: &str| logged.matches(&format!("a connection to RabbitMQ {ending}")).count();
    (count("was closed"), count("broke off before it was closed"))
}

async fn publish(broker: &Arc<dyn Broker>, queue: Queue, bodies: impl IntoIterator<Item = u32>) {
    for body in bodies {
        broker.publish(queue, body.to_string().into()).await.unwrap();
    }
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
    let mut consumer = broker.consume(Queue::Live, messages(8));
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

async fn a_batch_is_bounded_by_bytes(installation: &Installation) {
    const SIZE: usize = 100_000;
    let broker = installation.open().await;
    for _ in 0..6 {
        broker.publish(Queue::Live, vec![b' '; SIZE].into()).await.unwrap();
    }
    for (bytes, largest) in [(1, 1), (SIZE * 5 / 2, 3)] {
        let mut consumer = broker.consume(Queue::Live, BatchLimit { messages: 32, bytes });
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
    let mut consumer = broker.consume(Queue::Live, messages(4));
    take(&mut consumer, 10).await;
    consumer.close().await;
    publish(&broker, Queue::Live, [99]).await;
    let mut consumer = broker.consume(Queue::Live, messages(4));
    assert_eq!(take(&mut consumer, 1).await, [99]);
    consumer.close().await;
}

async fn requeued_messages_are_redelivered(installation: &Installation) {
    let broker = installation.open().await;
    publish(&broker, Queue::Live, 0..6).await;
    let mut consumer = broker.consume(Queue::Live, messages(3));
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
        let mut consumer = broker.consume(Queue::Live, messages(3));
        assert!(!consumer.next().await.is_empty());
        // Like a killed process: neither settled nor closed.
        drop(consumer);
    }
    let broker = installation.open().await;
    let mut consumer = broker.consume(Queue::Live, messages(6));
    let mut seen = take(&mut consumer, 6).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..6).collect::<Vec<_>>());
    consumer.close().await;
}

async fn a_message_survives_its_publisher(installation: &Installation) {
    publish(&installation.open().await, Queue::Bulk, [7]).await;
    let broker = installation.open().await;
    let mut consumer = broker.consume(Queue::Bulk, messages(1));
    assert_eq!(take(&mut consumer, 1).await, [7]);
    consumer.close().await;
}

async fn a_message_of_many_frames_arrives_whole(installation: &Installation) {
    let broker = installation.open().await;
    let long: Bytes = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
    broker.publish(Queue::Bulk, long.clone()).await.unwrap();
    let mut consumer = broker.consume(Queue::Bulk, messages(1));
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
        let mut consumer = broker.consume(Queue::Live, messages(1));
        redeliveries.extend(consumer.next().await.iter().map(|delivery| delivery.redeliveries));
        drop(consumer);
    }
    assert_eq!(redeliveries, (0..=DELIVERY_LIMIT).collect::<Vec<_>>(), "every redelivery is counted");
    let broker = installation.open().await;
    let mut dead = broker.consume(Queue::Dead, messages(1));
    assert_eq!(take(&mut dead, 1).await, [13]);
    dead.close().await;
}

async fn a_waiting_consumer_gets_a_new_message(installation: &Installation) {
    let broker = installation.open().await;
    let mut consumer = broker.consume(Queue::Live, messages(4));
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
    let mut consumer = broker.consume(Queue::Live, messages(4));
    for body in 0..20 {
        // The wait is dropped at different stages.
        let nothing = tokio::time::timeout(Duration::from_millis(u64::from(body % 5)), consumer.next());
        assert!(nothing.await.is_err(), "nothing has been published");
        publish(&broker, Queue::Live, [body]).await;
        assert_eq!(take(&mut consumer, 1).await, [body]);
    }
    consumer.close().await;
}

async fn two_consumers_share_a_queue(installation: &Installation) {
    let broker = installation.open().await;
    let (mut one, mut two) =
        (broker.consume(Queue::Live, messages(2)), broker.consume(Queue::Live, messages(2)));
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
