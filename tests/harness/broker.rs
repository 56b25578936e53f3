//! RabbitMQ queues of a test.

use std::time::Duration;

use careq_shared::config::{self, BrokerConfig};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use uuid::Uuid;

pub(crate) fn amqp_url() -> String {
    #[expect(clippy::disallowed_methods, reason = "where the test server is")]
    std::env::var("TEST_BROKER_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

/// A prefix of queue names that no other test uses.
pub(crate) fn fresh_prefix() -> String {
    format!("careq.test.{}", Uuid::new_v4().simple())
}

pub(crate) fn broker_config(prefix: &str) -> BrokerConfig {
    let settings = [("CAREQ_BROKER_URL", amqp_url()), ("CAREQ_BROKER_PREFIX", prefix.to_owned())];
    config::load(None, settings.map(|(name, value)| (name.to_owned(), value))).unwrap().broker
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

/// Number of ready messages in a queue. Quorum queues count unacknowledged messages separately.
pub(crate) async fn queue_depth(queue: &str) -> u32 {
    declared(queue).await.message_count()
}

/// Number of consumers of a queue.
pub(crate) async fn queue_consumers(queue: &str) -> u32 {
    declared(queue).await.consumer_count()
}

async fn declared(queue: &str) -> lapin::Queue {
    let (_connection, channel) = channel().await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap()
}

/// Deletes a test's queues.
pub(crate) async fn delete_queues(prefix: &str) {
    let (_connection, channel) = channel().await;
    for queue in ["live", "bulk", "dead"] {
        channel.queue_delete(format!("{prefix}.{queue}").into(), QueueDeleteOptions::default()).await.ok();
    }
}
