//! The broker port: the traits that a broker implements, and their types.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::trace_context::TraceContext;
use crate::words;

words! {
    /// The queues of an installation. The live and the bulk queue have partitions, see [`partition`](super::partition).
    Queue {
        /// Messages that the broker itself gave up. Workers write dead letters long before. It has no partitions.
        Dead = "dead",
        /// Single webhooks.
        Live = "live",
        /// Batches and large webhooks, so that a thousand records in one message do not delay a cancellation.
        Bulk = "bulk",
    }
}

impl Queue {
    /// The queue of a webhook, by the size of its body. Consumers of the live queue prefetch by count, because AMQP
    /// has no limit by bytes. Large messages therefore go to the queue that is read one by one. Nothing depends on
    /// the order between the queues.
    pub const fn for_webhook(bytes: usize) -> Self {
        if bytes > MAX_LIVE_BYTES { Self::Bulk } else { Self::Live }
    }
}

/// The maximum body of a webhook in [`Queue::Live`], in bytes. The prefetched messages of all partitions together must
/// fit into the memory of one worker, so a larger maximum means smaller batches of one clinic.
pub(super) const MAX_LIVE_BYTES: usize = 8 * 1_024;

/// The number of deliveries after which a queue moves a message to [`Queue::Dead`]. Workers isolate a failing message
/// in the database long before.
pub const DELIVERY_LIMIT: u32 = 20;

/// The maximum size of a message before sealing. Sealing adds a few bytes, and RabbitMQ's default since 4.0 is 16 MiB
/// (`max_message_size`).
pub const MAX_MESSAGE_BYTES: usize = 16 * 1_024 * 1_024 - 1_024;

/// A message broker.
#[async_trait]
pub trait Broker: fmt::Debug + Send + Sync {
    /// Publishes a message of a clinic. The future resolves when the broker has stored it on disk; the caller sets the
    /// timeout. The message carries the caller's trace context.
    ///
    /// # Errors
    /// The broker may or may not have stored the message, so the client must send it again.
    async fn publish(&self, queue: Queue, clinic_id: &str, body: Bytes) -> Result<(), PublishError>;

    /// Makes a consumer of the assigned partitions of a queue, which receives batches.
    fn consume(&self, queue: Queue, batch: BatchLimit, assignment: Assignment) -> Box<dyn Consumer>;

    /// Whether other processes use the same queues.
    fn is_shared(&self) -> bool;

    /// The number of partitions that may hold messages: those of `broker.partitions`, those that existed at the start, or
    /// more by [`Self::expect_partitions`]. It never falls, since messages may remain.
    fn partitions(&self) -> u16;

    /// Makes it known that another process knows this many partitions.
    fn expect_partitions(&self, count: u16);

    /// Opens a mailbox for results of this process.
    fn mailbox(&self) -> Mailbox;

    /// Sends results to a mailbox, without a guarantee: the status pages have the same results.
    fn tell(&self, mailbox: &str, body: Bytes);

    /// Whether messages can be published at this moment.
    fn is_connected(&self) -> bool;

    /// Whether every consumer of this process has reached the broker since its last failure.
    fn is_readable(&self) -> bool;

    /// Counts the messages of a queue that no consumer holds, for metrics, alarms and back-off.
    ///
    /// # Errors
    /// The reason why they cannot be counted.
    async fn ready(&self, queue: Queue) -> Result<Ready, String>;

    /// Disconnects at the end of the process. Later calls fail or never complete.
    async fn close(&self);
}

/// The partitions that a consumer reads. They change when workers start and stop.
pub type Assignment = watch::Receiver<BTreeSet<u16>>;

/// The messages of a queue that no consumer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// In all partitions.
    pub total: u64,
    /// In the partition that has most.
    pub max: u64,
}

/// The limits of a batch. A single message of any size is a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// The maximum number of messages.
    pub messages: usize,
    /// The maximum size of their bodies together, which the last message may exceed.
    pub bytes: usize,
}

/// A consumer of partitions of one queue. It reconnects without limit.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for a message, and returns it with the others that are ready. Dropping the future loses nothing. The
    /// batch before must have been settled.
    async fn next(&mut self) -> Vec<Delivery>;

    /// Acknowledges the batch in flight.
    ///
    /// # Errors
    /// The broker may deliver the batch again.
    async fn ack(&mut self) -> Result<(), NotAcked>;

    /// Returns the batch in flight to the queue. It does not count as an attempt if the broker can distinguish that.
    async fn requeue(&mut self);

    /// Returns the undelivered messages, and disconnects.
    async fn close(self: Box<Self>);
}

/// A delivered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The bytes that were published.
    pub body: Bytes,
    /// The number of earlier deliveries; `u32::MAX` if the broker's count cannot be read.
    pub redeliveries: u32,
    /// The trace context of its publisher, if the trace is recorded.
    pub trace: Option<TraceContext>,
}

/// The mailbox of this process for results.
#[derive(Debug)]
pub struct Mailbox {
    /// The address; `None` while it cannot receive. It changes with each reconnection.
    pub address: watch::Receiver<Option<String>>,
    /// The received bodies.
    pub messages: mpsc::Receiver<Bytes>,
}

/// The reason why a message was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PublishError {
    #[error("the broker cannot be reached")]
    Disconnected,
    /// The broker did not confirm in time. An alarm of its memory or disk may block publishers.
    #[error("the broker did not confirm in time")]
    TimedOut,
    #[error("the broker refused the message; a queue may be full")]
    Refused,
    #[error("the broker has no such queue")]
    Unroutable,
    /// The message exceeds the broker's limit. A retry fails until the limit is raised.
    #[error("the message is larger than the broker takes (RabbitMQ: max_message_size)")]
    TooLarge,
}

impl PublishError {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Disconnected, Self::TimedOut, Self::Refused, Self::Unroutable, Self::TooLarge];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Unroutable => "unroutable",
            Self::TooLarge => "too_large",
        }
    }
}

/// The broker did not accept an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the acknowledgement was not taken; the broker will hand the batch out again")]
pub struct NotAcked;
