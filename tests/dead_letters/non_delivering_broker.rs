//! A broker that stores published messages without delivering them, so that a replay stops where the test examines
//! it. It can also be made unavailable, as a whole or for one clinic.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use careq_shared::broker::{
    Assignment, BatchLimit, Broker, Consumer, Delivery, Mailbox, NotAcked, PublishError, Queue, Ready,
};
use tokio::sync::{mpsc, watch};

#[derive(Debug, Default)]
pub(super) struct NonDeliveringBroker {
    is_unavailable: AtomicBool,
    refused_clinic: Mutex<Option<String>>,
    failed_publishes: AtomicUsize,
    published: Mutex<Vec<Bytes>>,
}

impl NonDeliveringBroker {
    pub(super) fn set_unavailable(&self, is_unavailable: bool) {
        self.is_unavailable.store(is_unavailable, Ordering::SeqCst);
    }

    /// Refuses the messages of this clinic from now on, and no others.
    pub(super) fn refuse(&self, clinic_id: Option<&str>) {
        *self.refused_clinic.lock().unwrap() = clinic_id.map(str::to_owned);
    }

    /// Number of failed attempts to publish.
    pub(super) fn failed_publishes(&self) -> usize {
        self.failed_publishes.load(Ordering::SeqCst)
    }

    /// Published and confirmed messages.
    pub(super) fn published(&self) -> Vec<Bytes> {
        self.published.lock().unwrap().clone()
    }
}

#[async_trait]
impl Broker for NonDeliveringBroker {
    async fn publish(&self, _: Queue, clinic_id: &str, body: Bytes) -> Result<(), PublishError> {
        let is_refused = self.refused_clinic.lock().unwrap().as_deref() == Some(clinic_id);
        if is_refused || self.is_unavailable.load(Ordering::SeqCst) {
            self.failed_publishes.fetch_add(1, Ordering::SeqCst);
            return Err(if is_refused { PublishError::Refused } else { PublishError::Disconnected });
        }
        self.published.lock().unwrap().push(body);
        Ok(())
    }

    fn consume(&self, _: Queue, _: BatchLimit, _: Assignment) -> Box<dyn Consumer> {
        Box::new(NoDeliveries)
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn partitions(&self) -> u16 {
        1
    }

    fn expect_partitions(&self, _: u16) {}

    fn mailbox(&self) -> Mailbox {
        Mailbox { address: watch::channel(None).1, messages: mpsc::channel(1).1 }
    }

    fn tell(&self, _: &str, _: Bytes) {}

    fn is_connected(&self) -> bool {
        !self.is_unavailable.load(Ordering::SeqCst)
    }

    /// Always zero, so that a worker sees empty queues.
    fn is_readable(&self) -> bool {
        true
    }

    async fn ready(&self, _: Queue) -> Result<Ready, String> {
        Ok(Ready::default())
    }

    async fn close(&self) {}
}

/// A consumer that never receives a message.
struct NoDeliveries;

#[async_trait]
impl Consumer for NoDeliveries {
    async fn next(&mut self) -> Vec<Delivery> {
        std::future::pending().await
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        Ok(())
    }

    async fn requeue(&mut self) {}

    async fn close(self: Box<Self>) {}
}
