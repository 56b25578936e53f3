//! A broker decorator that seals messages when they are published and opens them when they are delivered. A message
//! that cannot be opened is delivered as it is, and becomes a dead letter.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::port::{
    Assignment, BatchLimit, Broker, Consumer, Delivery, Mailbox, NotAcked, PublishError, Queue, Ready,
};
use crate::seal::Seal;

/// A broker whose messages are sealed.
#[derive(Debug)]
pub struct Sealing {
    broker: Arc<dyn Broker>,
    seal: Arc<Seal>,
}

impl Sealing {
    /// Seals the messages of a broker.
    pub fn new(broker: Arc<dyn Broker>, seal: Arc<Seal>) -> Self {
        Self { broker, seal }
    }
}

#[async_trait]
impl Broker for Sealing {
    async fn publish(&self, queue: Queue, clinic_id: &str, body: Bytes) -> Result<(), PublishError> {
        let sealed = self.seal.seal_message(body.into()).map_err(|reason| {
            tracing::error!(%reason, "a message cannot be sealed");
            PublishError::Refused
        })?;
        self.broker.publish(queue, clinic_id, sealed.into()).await
    }

    fn consume(&self, queue: Queue, batch: BatchLimit, assignment: Assignment) -> Box<dyn Consumer> {
        Box::new(OpeningConsumer {
            consumer: self.broker.consume(queue, batch, assignment),
            seal: Arc::clone(&self.seal),
        })
    }

    fn is_shared(&self) -> bool {
        self.broker.is_shared()
    }

    fn partitions(&self) -> u16 {
        self.broker.partitions()
    }

    fn expect_partitions(&self, count: u16) {
        self.broker.expect_partitions(count);
    }

    fn mailbox(&self) -> Mailbox {
        self.broker.mailbox()
    }

    fn tell(&self, mailbox: &str, body: Bytes) {
        self.broker.tell(mailbox, body);
    }

    fn is_connected(&self) -> bool {
        self.broker.is_connected()
    }

    fn is_readable(&self) -> bool {
        self.broker.is_readable()
    }

    async fn ready(&self, queue: Queue) -> Result<Ready, String> {
        self.broker.ready(queue).await
    }

    async fn close(&self) {
        self.broker.close().await;
    }
}

struct OpeningConsumer {
    consumer: Box<dyn Consumer>,
    seal: Arc<Seal>,
}

#[async_trait]
impl Consumer for OpeningConsumer {
    async fn next(&mut self) -> Vec<Delivery> {
        let mut deliveries = self.consumer.next().await;
        for delivery in &mut deliveries {
            match self.seal.open_message(&delivery.body) {
                Ok(Some(body)) => delivery.body = body.into(),
                Ok(None) => {}
                Err(reason) => {
                    tracing::error!(%reason, "a message cannot be opened; it becomes a dead letter");
                }
            }
        }
        deliveries
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        self.consumer.ack().await
    }

    async fn requeue(&mut self) {
        self.consumer.requeue().await;
    }

    async fn close(self: Box<Self>) {
        self.consumer.close().await;
    }
}
