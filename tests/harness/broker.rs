//! RabbitMQ queues of a test.

use std::num::NonZero;
use std::time::Duration;

use careq_shared::broker::{Assignment, Queue, partition};
use careq_shared::config::{self, BrokerConfig};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::watch;
use uuid::Uuid;

/// Number of partitions of a test's installation. The default would create 33 queues for each test.
pub(crate) const PARTITIONS: u16 = 2;

pub(crate) fn amqp_url() -> String {
    #[expect(clippy::disallowed_methods, reason = "where the test server is")]
    std::env::var("TEST_BROKER_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

/// A prefix of queue names that no other test uses.
pub(crate) fn fresh_prefix() -> String {
    format!("careq.test.{}", Uuid::new_v4().simple())
}

pub(crate) fn broker_config(prefix: &str, partitions: u16) -> BrokerConfig {
    let settings = [
        ("CAREQ_BROKER_URL", amqp_url()),
        ("CAREQ_BROKER_PREFIX", prefix.to_owned()),
        ("CAREQ_BROKER_PARTITIONS", partitions.to_string()),
    ];
    config::load(None, settings.map(|(name, value)| (name.to_owned(), value))).unwrap().broker
}

/// Names of the queues of all partitions. The dead queue has no partitions.
pub(crate) fn partition_names(prefix: &str, queue: Queue, partitions: u16) -> Vec<String> {
    match queue {
        Queue::Dead => vec![format!("{prefix}.{queue}")],
        Queue::Live | Queue::Bulk => {
            (0..partitions).map(|partition| format!("{prefix}.{queue}.{partition:02}")).collect()
        }
    }
}

/// Name of the queue for the messages of a clinic.
pub(crate) fn queue_of_clinic(prefix: &str, queue: Queue, clinic: &str, partitions: u16) -> String {
    let partition = partition::for_clinic(clinic, NonZero::new(partitions).unwrap());
    let mut names = partition_names(prefix, queue, partitions);
    names.swap_remove(usize::from(partition) % names.len())
}

/// A clinic whose events are in this partition.
pub(crate) fn clinic_in(partition: u16, partitions: u16) -> String {
    let partitions = NonZero::new(partitions).unwrap();
    let mut clinics = (0..u32::MAX).map(|number| format!("clinic_{number}"));
    clinics.find(|clinic| partition::for_clinic(clinic, partitions) == partition).unwrap()
}

/// An assignment that does not change.
pub(crate) fn assigned(partitions: impl IntoIterator<Item = u16>) -> Assignment {
    watch::channel(partitions.into_iter().collect()).1
}

/// A channel to inspect queues.
pub(crate) async fn channel() -> (Connection, Channel) {
    let url = amqp_url();
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let connection = tokio::time::timeout(Duration::from_secs(10), connecting)
        .await
        .ok()
        .and_then(Result::ok)
        .expect("RabbitMQ cannot be used for tests; `make servers` installs and starts it");
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Number of ready messages in all these queues. Quorum queues count unacknowledged messages separately.
pub(crate) async fn queue_depth(queues: &[String]) -> u32 {
    declared(queues).await.iter().map(lapin::Queue::message_count).sum()
}

/// Number of consumers of each queue.
pub(crate) async fn queue_consumers(queues: &[String]) -> Vec<u32> {
    declared(queues).await.iter().map(lapin::Queue::consumer_count).collect()
}

async fn declared(queues: &[String]) -> Vec<lapin::Queue> {
    let (_connection, channel) = channel().await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let mut declared = Vec::with_capacity(queues.len());
    for queue in queues {
        let name = queue.as_str().into();
        declared.push(channel.queue_declare(name, passive, FieldTable::default()).await.expect(queue));
    }
    declared
}

/// Deletes a test's queues, as far as they exist. `partitions` is the largest number that the test has used.
pub(crate) async fn delete_queues(prefix: &str, partitions: u16) {
    let (_connection, channel) = channel().await;
    for queue in Queue::ALL.iter().flat_map(|queue| partition_names(prefix, *queue, partitions)) {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.ok();
    }
}
