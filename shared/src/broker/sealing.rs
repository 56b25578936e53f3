//! A broker that holds sealed messages alone: what is published is sealed on its way in, and opened on its way out. What does not open
//! must never be lost: it is handed out as it is, and becomes a dead letter.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::port::{BatchLimit, Broker, Consumer, Delivery, Mailbox, NotAcked, PublishError, Queue};
use crate::seal::Seal;

/// Another broker, sealed.
#[derive(Debug)]
pub struct Sealing {
    broker: Arc<dyn Broker>,
    seal: Arc<Seal>,
}

impl Sealing {
    /// Seals what goes through this broker.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, seal: Arc<Seal>) -> Self {
        Self { broker, seal }
    }
}

#[async_trait]
impl Broker for Sealing {
    async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        let sealed = self.seal.seal_message(&body).map_err(|reason| {
            tracing::error!(%reason, "a message cannot be sealed");
            PublishError::Refused
        })?;
        drop(body);
        self.broker.publish(queue, sealed.into()).await
    }

    fn consume(&self, queue: Queue, batch: BatchLimit) -> Box<dyn Consumer> {
        Box::new(Opening { consumer: self.broker.consume(queue, batch), seal: Arc::clone(&self.seal) })
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
}

struct Opening {
    consumer: Box<dyn Consumer>,
    seal: Arc<Seal>,
}

#[async_trait]
impl Consumer for Opening {
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
