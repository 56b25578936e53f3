//! RabbitMQ behind the broker port, through lapin: confirmed and mandatory publishing, quorum queues, and supervisors of
//! our own. lapin's auto-recovery must never be switched on: it forgets `basic.qos` and leaves dead consumers behind.

mod link;
mod topology;

mod publisher;

mod consumer;
mod mailbox;
mod teller;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Broker, Consumer, Mailbox, PublishError, Queue};
use crate::config::BrokerConfig;
use link::Link;
pub use link::LinkError;
use publisher::{Links, Publisher};
use teller::Teller;
pub use topology::Topology;

/// A RabbitMQ installation, 3.10 or newer.
#[derive(Debug)]
pub struct RabbitMq {
    consuming: Consuming,
    results: Arc<Link>,
    topology: Arc<Topology>,
    publisher: Publisher,
    teller: Teller,
}

impl RabbitMq {
    /// Connects, and declares the queues. `process` names the connections in RabbitMQ's management pages.
    ///
    /// # Errors
    /// RabbitMQ could not be reached or used within the configured time, with the reason and what to do.
    pub async fn connect(config: &BrokerConfig, process: &str) -> Result<Self, LinkError> {
        let topology = Arc::new(Topology::new(&config.prefix));
        let link = |purpose: &str| Link::new(config, &format!("{process} {purpose}")).map(Arc::new);
        // Publishing and consuming never share a connection: an alarm blocks a publishing connection as a whole, and
        // acknowledgements must still get through.
        let (declaring, publishing) = (link("declare")?, link("publish")?);
        declaring.wait_until_usable(&topology, Duration::from_secs(config.connect_timeout_s)).await?;
        let consuming = Consuming { live: link("live")?, bulk: link("bulk")?, dead: link("dead")? };
        let teller = Teller::start(Arc::clone(&publishing));
        let publisher = Publisher::start(Links { declaring, publishing }, Arc::clone(&topology));
        Ok(Self { consuming, results: link("results")?, topology, publisher, teller })
    }
}

/// A connection a queue, made when it is first asked for: a queue that has lost its leader takes its connection with it.
#[derive(Debug)]
struct Consuming {
    live: Arc<Link>,
    bulk: Arc<Link>,
    dead: Arc<Link>,
}

impl Consuming {
    fn of(&self, queue: Queue) -> &Arc<Link> {
        match queue {
            Queue::Live => &self.live,
            Queue::Bulk => &self.bulk,
            Queue::Dead => &self.dead,
        }
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        self.publisher.publish(queue, body).await
    }

    fn consume(&self, queue: Queue, batch: usize) -> Box<dyn Consumer> {
        Box::new(consumer::QueueConsumer::new(
            Arc::clone(self.consuming.of(queue)),
            Arc::clone(&self.topology),
            queue,
            batch,
        ))
    }

    fn mailbox(&self) -> Mailbox {
        mailbox::open(Arc::clone(&self.results), &self.topology)
    }

    fn tell(&self, mailbox: &str, body: Bytes) {
        self.teller.tell(mailbox, body);
    }

    fn is_connected(&self) -> bool {
        self.publisher.is_connected()
    }
}
