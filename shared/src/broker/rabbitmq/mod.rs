//! RabbitMQ behind the broker port, through lapin: confirmed and mandatory publishing, quorum queues, and
//! reconnection. lapin's auto-recovery stays off: it loses `basic.qos` and leaves dead consumers behind.

mod consumer;
mod delivery;
mod getting;
mod inspection;
mod link;
mod publisher;
mod results;
mod size_limit;
mod source;
mod subscription;
mod topology;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::partition;
use super::port::{Assignment, BatchLimit, Broker, Consumer, Mailbox, PublishError, Queue, Ready};
use crate::config::BrokerConfig;
use consumer::PartitionConsumer;
use getting::GettingConsumer;
pub use inspection::{Inspection, Refusal, Standing, Stuck};
use link::Link;
pub use link::{Address, LinkError};
use publisher::Publisher;
use source::{MAX_PROBES, Source};
pub use topology::{PartitionQueue, Topology};

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
    /// The number of partitions that may hold messages.
    partitions: AtomicU16,
    /// Consumers that cannot reach RabbitMQ hold a copy.
    unreadable: Arc<()>,
}

impl RabbitMq {
    /// Connects, and declares the queues. `process` names the connections in RabbitMQ's management pages.
    ///
    /// # Errors
    /// RabbitMQ could not be reached or used within the configured time. The message says why and what to do.
    pub async fn connect(config: &BrokerConfig, process: &str) -> Result<Self, LinkError> {
        let topology = Arc::new(Topology::new(config));
        let server = Link::new(config, process)?;
        // Publishing and consuming use separate connections. An alarm blocks a publishing connection, and
        // acknowledgements must still pass.
        let [declaring, publishing, receiving_results, counting] =
            ["declare", "publish", "results", "count"].map(|purpose| server.another(purpose));
        let connect_timeout = Duration::from_secs(config.connect_timeout_s);
        let found = topology.wait_until_usable(&declaring, connect_timeout).await?;
        let results = results::sender(Arc::clone(&publishing));
        let publisher = Publisher::start(&publishing, declaring, &topology, &found.usable);
        let partitions = found.partitions.into();
        let unreadable = Arc::default();
        Ok(Self {
            server,
            publishing,
            receiving_results,
            counting,
            topology,
            publisher,
            results,
            partitions,
            unreadable,
        })
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn publish(&self, queue: Queue, clinic_id: &str, body: Bytes) -> Result<(), PublishError> {
        self.publisher.publish(queue, clinic_id, body).await
    }

    fn consume(&self, queue: Queue, batch: BatchLimit, assignment: Assignment) -> Box<dyn Consumer> {
        let topology = Arc::clone(&self.topology);
        let (link, unreadable) = (self.server.another(queue.as_str()), Arc::downgrade(&self.unreadable));
        let source = Source { link, topology, queue, batch, unreadable, probes: Semaphore::new(MAX_PROBES) };
        match queue {
            Queue::Bulk => Box::new(GettingConsumer::new(source, assignment)),
            Queue::Live | Queue::Dead => Box::new(PartitionConsumer::new(source, assignment)),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn partitions(&self) -> u16 {
        self.partitions.load(Ordering::Relaxed)
    }

    fn expect_partitions(&self, count: u16) {
        self.partitions.fetch_max(count.min(partition::MAX), Ordering::Relaxed);
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

    fn is_readable(&self) -> bool {
        Arc::strong_count(&self.unreadable) == 1
    }

    async fn ready(&self, queue: Queue) -> Result<Ready, String> {
        self.topology
            .ready(&self.counting, queue, self.partitions())
            .await
            .map_err(|reason| reason.to_string())
    }

    /// Closes the connections. RabbitMQ logs a warning for a connection that breaks off.
    async fn close(&self) {
        tokio::join!(self.publishing.end(), self.receiving_results.end(), self.counting.end());
    }
}
