//! The queue of one partition is missing, or cannot be used: the clinics of the other partitions are not affected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use careq_shared::broker::{Broker, PublishError, Queue};
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use tokio::sync::watch;

use super::{Installation, consume, messages, publish_of, take};
use crate::harness::{PARTITIONS, channel, clinic_in, partition_names, until};

/// The first partition of the live queue is the one in trouble.
struct Scene {
    installation: Installation,
    /// Name of its queue.
    queue: String,
    /// A clinic whose events are in it, and one of another partition.
    clinics: [String; 2],
}

impl Scene {
    fn new() -> Self {
        let installation = Installation::rabbitmq();
        let Installation::RabbitMq(prefix) = &installation else { unreachable!() };
        let queue = partition_names(prefix, Queue::Live, PARTITIONS).swap_remove(0);
        Self { installation, queue, clinics: [0, 1].map(|partition| clinic_in(partition, PARTITIONS)) }
    }

    /// Opens the broker after the queue was declared as a classic one.
    async fn open_with_a_classic_queue(&self) -> Arc<dyn Broker> {
        let (_connection, channel) = channel().await;
        let declared = channel.queue_declare(
            self.queue.as_str().into(),
            QueueDeclareOptions::durable(),
            FieldTable::default(),
        );
        declared.await.unwrap();
        self.installation.open().await
    }
}

/// A missing queue fails only its own messages, until it is declared again.
#[tokio::test]
async fn a_missing_queue_does_not_affect_the_others() {
    let scene = Scene::new();
    let broker = scene.installation.open().await;
    let [here, there] = &scene.clinics;
    let (_connection, channel) = channel().await;
    let is_over = AtomicBool::new(false);
    let others = async {
        let mut published = 0;
        while !is_over.load(Ordering::Relaxed) {
            let several =
                (0..64).map(|body: u32| broker.publish(Queue::Live, there, body.to_string().into()));
            try_join_all(several).await.expect("another partition is not affected");
            broker.publish(Queue::Bulk, here, "bulk".into()).await.expect("the bulk queue is not affected");
            published += 64;
        }
        published
    };
    let missing = async {
        for _ in 0..3 {
            let delete = QueueDeleteOptions::default();
            channel.queue_delete(scene.queue.as_str().into(), delete).await.unwrap();
            let refused = broker.publish(Queue::Live, here, "lost".into()).await;
            assert_eq!(refused, Err(PublishError::Unroutable));
            until("the queue is declared again", || async {
                broker.publish(Queue::Live, here, "kept".into()).await.ok()
            })
            .await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (published, ()) = tokio::join!(others, missing);
    assert!(published > 0 && broker.is_connected());
    scene.installation.remove().await;
}

#[tokio::test]
async fn a_queue_with_other_arguments_does_not_affect_the_others() {
    let scene = Scene::new();
    let broker = scene.open_with_a_classic_queue().await;
    let [here, there] = &scene.clinics;
    publish_of(&broker, Queue::Live, there, 0..10).await;
    publish_of(&broker, Queue::Bulk, here, 10..13).await;
    let mut live = consume(&broker, Queue::Live, messages(4));
    assert_eq!(take(&mut live, 10).await, (0..10).collect::<Vec<_>>());
    live.close().await;
    let mut bulk = consume(&broker, Queue::Bulk, messages(1));
    assert_eq!(take(&mut bulk, 3).await, [10, 11, 12]);
    bulk.close().await;
    scene.installation.remove().await;
}

/// A queue without replication or with another overflow policy may lose what it has confirmed.
#[tokio::test]
async fn a_queue_with_other_arguments_takes_no_messages() {
    let scene = Scene::new();
    let broker = scene.open_with_a_classic_queue().await;
    let [here, _] = &scene.clinics;
    let refused = broker.publish(Queue::Live, here, "refused".into()).await;
    assert!(refused.is_err(), "the message is not confirmed");
    let (_connection, channel) = channel().await;
    let got = channel.basic_get(scene.queue.as_str().into(), BasicGetOptions::default()).await.unwrap();
    assert!(got.is_none(), "the message is not in the queue");
    scene.installation.remove().await;
}

/// A consumer is assigned a partition while it tries to open another one, such as after the end of another worker.
#[tokio::test]
async fn a_queue_with_other_arguments_does_not_delay_a_partition_that_is_assigned_later() {
    let scene = Scene::new();
    let broker = scene.open_with_a_classic_queue().await;
    let [_, there] = &scene.clinics;
    publish_of(&broker, Queue::Live, there, 0..10).await;
    let (assign, assignment) = watch::channel(BTreeSet::from([0]));
    let mut consumer = broker.consume(Queue::Live, messages(4), assignment);
    assert!(consumer.next().now_or_never().is_none(), "it begins to open the first partition");
    assign.send_replace(BTreeSet::from([0, 1]));
    assert_eq!(take(&mut consumer, 10).await, (0..10).collect::<Vec<_>>());
    consumer.close().await;
    scene.installation.remove().await;
}
