//! RabbitMQ behind the broker port, through lapin: confirmed and mandatory publishing, quorum queues, and
//! reconnection. lapin's auto-recovery stays off: it loses `basic.qos` and leaves dead consumers behind.

mod link;
mod topology;

mod publisher;

mod consumer;
mod counting;
mod mailbox;
mod result_sender;

mod address;
mod inspection;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::depths::Depths;
use super::port::{BatchLimit, Broker, Consumer, Mailbox, PublishError, Queue};
use crate::config::BrokerConfig;
pub use address::Address;
use counting::Counting;
pub use inspection::{Inspection, Refusal, Standing, Stuck};
use link::Link;
pub use link::LinkError;
use publisher::Publisher;
use result_sender::ResultSender;
pub use topology::Topology;

/// A RabbitMQ installation, 3.10 or newer.
#[derive(Debug)]
pub struct RabbitMq {
    server: Link,
    lasting: Lasting,
    topology: Arc<Topology>,
    publisher: Publisher,
    result_sender: ResultSender,
    depths: Depths,
    /// The index of consumers that this process has opened.
    consumers: AtomicI32,
}

/// The connections that last as long as the process. Each consumer ends its own.
#[derive(Debug)]
struct Lasting {
    publishing: Arc<Link>,
    results: Arc<Link>,
    count: Arc<Link>,
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
        let [declaring, publishing, results, count] =
            ["declare", "publish", "results", "count"].map(|purpose| server.another(purpose));
        topology.wait_until_usable(&declaring, Duration::from_secs(config.connect_timeout_s)).await?;
        let result_sender = ResultSender::start(Arc::clone(&publishing));
        let declaring = |queue: Queue| server.another(&format!("declare {}", queue.as_str()));
        let publisher = Publisher::start(&publishing, declaring, &topology);
        let depths = Depths::new(Arc::new(Counting::new(Arc::clone(&count), Arc::clone(&topology))));
        let lasting = Lasting { publishing, results, count };
        let consumers = AtomicI32::default();
        Ok(Self { server, lasting, topology, publisher, result_sender, depths, consumers })
    }

    /// Closes the connections at the end of the process. RabbitMQ logs a warning for a connection that breaks off.
    /// Later calls never complete.
    pub async fn close(&self) {
        let Lasting { publishing, results, count } = &self.lasting;
        tokio::join!(publishing.end(), results.end(), count.end());
    }

    /// The lengths of the queues.
    #[must_use]
    pub fn depths(&self) -> Depths {
        self.depths.clone()
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
        mailbox::open(Arc::clone(&self.lasting.results), &self.topology)
    }

    fn tell(&self, mailbox: &str, body: Bytes) {
        self.result_sender.send(mailbox, body);
    }

    fn is_connected(&self) -> bool {
        self.publisher.is_connected()
    }
}
