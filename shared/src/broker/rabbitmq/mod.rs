//! RabbitMQ behind the broker port, through lapin: confirmed and mandatory publishing, quorum queues, and
//! reconnection. lapin's auto-recovery stays off: it loses `basic.qos` and leaves dead consumers behind.

mod consumer;
mod inspection;
mod link;
mod publisher;
mod results;
mod topology;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::port::{BatchLimit, Broker, Consumer, Mailbox, PublishError, Queue};
use crate::config::BrokerConfig;
pub use inspection::{Inspection, Refusal, Standing, Stuck};
use link::Link;
pub use link::{Address, LinkError};
use publisher::Publisher;
pub use topology::Topology;

/// A RabbitMQ installation, 3.10 or newer. Each consumer ends its own connection; the others last as long as the
/// process.
#[derive(Debug)]
pub struct RabbitMq {
    server: Link,
    publishing: Arc<Link>,
    receiving_results: Arc<Link>,
    counting: Arc<Link>,
    topology: Arc<Topology>,
    publisher: Publisher,
    results: mpsc::Sender<(String, Bytes)>,
    /// The index of consumers that this process has opened.
    consumers: AtomicI32,
}

impl RabbitMq {
    /// Connects, and declares the queues. `process` names the connections in RabbitMQ's management pages.
    ///
    /// # Errors
    /// RabbitMQ could not be reached or used within the configured time. The message says why and what to do.
    pub async fn connect(config: &BrokerConfig, process: &str) -> Result<Self, LinkError> {
        let topology = Arc::new(Topology::new(&config.prefix));
        let server = Link::new(config, process)?;
        // Publishing and consuming use separate connections. An alarm blocks a publishing connection, and
        // acknowledgements must still pass.
        let [declaring, publishing, receiving_results, counting] =
            ["declare", "publish", "results", "count"].map(|purpose| server.another(purpose));
        topology.wait_until_usable(&declaring, Duration::from_secs(config.connect_timeout_s)).await?;
        let results = results::sender(Arc::clone(&publishing));
        let declaring = |queue: Queue| server.another(&format!("declare {queue}"));
        let publisher = Publisher::start(&publishing, declaring, &topology);
        let consumers = AtomicI32::default();
        Ok(Self { server, publishing, receiving_results, counting, topology, publisher, results, consumers })
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        self.publisher.publish(queue, body).await
    }

    fn consume(&self, queue: Queue, batch: BatchLimit) -> Box<dyn Consumer> {
        let (link, topology) = (self.server.another(queue.as_str()), Arc::clone(&self.topology));
        let index = self.consumers.fetch_add(1, Ordering::Relaxed);
        Box::new(consumer::QueueConsumer::new(consumer::Source { link, topology, queue, batch, index }))
    }

    fn mailbox(&self) -> Mailbox {
        results::mailbox(Arc::clone(&self.receiving_results), &self.topology)
    }

    fn tell(&self, mailbox: &str, body: Bytes) {
        if self.results.try_send((mailbox.to_owned(), body)).is_err() {
            tracing::debug!("a result message was dropped: too many wait to be sent");
        }
    }

    fn is_connected(&self) -> bool {
        self.publisher.is_connected()
    }

    async fn ready(&self, queue: Queue) -> Result<u64, String> {
        self.topology.ready(&self.counting, queue).await.map_err(|reason| reason.to_string())
    }

    /// Closes the connections. RabbitMQ logs a warning for a connection that breaks off.
    async fn close(&self) {
        tokio::join!(self.publishing.end(), self.receiving_results.end(), self.counting.end());
    }
}
