//! The broker port: a trait, and the types that cross it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::trace_context::TraceContext;

/// The three queues of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Single webhooks.
    Live,
    /// Batches, and webhooks that are large: a thousand records in one message must not stand before a cancellation.
    Bulk,
    /// What the broker itself gave up on; the net below the dead-letter table.
    Dead,
}

impl Queue {
    /// Every queue; the dead one first, since the others point at it.
    pub const ALL: [Self; 3] = [Self::Dead, Self::Live, Self::Bulk];

    /// Where a webhook goes whose body has so many bytes. A reader of the live queue prefetches by count, for AMQP knows no bound by bytes:
    /// what is large goes where one message is taken at a time. Nothing depends on the order between the queues.
    #[must_use]
    pub const fn of_webhook(bytes: usize) -> Self {
        if bytes > MAX_LIVE_BYTES { Self::Bulk } else { Self::Live }
    }

    /// The last part of its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
            Self::Dead => "dead",
        }
    }
}

/// The largest body of a webhook that goes through [`Queue::Live`].
const MAX_LIVE_BYTES: usize = 16 * 1_024;

/// How often a queue hands a message out before it moves it to [`Queue::Dead`]. Workers take a message that keeps
/// coming back into the database long before (see the worker's `isolate`).
pub const DELIVERY_LIMIT: u32 = 20;

/// The largest message in clear. Sealed it is a little larger, and RabbitMQ's default since 4.0 is 16 MiB (`max_message_size`).
pub const MAX_MESSAGE_BYTES: usize = 16 * 1_024 * 1_024 - 1_024;

/// A message broker.
#[async_trait]
pub trait Broker: fmt::Debug + Send + Sync {
    /// Resolves once the broker has made the message its own, on disk, and not before. How long to wait is for the caller
    /// to say. The message carries the caller's place in a trace beside its body.
    ///
    /// # Errors
    /// The message may or may not have arrived; whoever sent it must be told to send it again.
    async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError>;

    /// Takes messages of a queue, a batch at a time.
    fn consume(&self, queue: Queue, batch: BatchLimit) -> Box<dyn Consumer>;

    /// Opens a mailbox for results of this process.
    fn mailbox(&self) -> Mailbox;

    /// Sends results to a mailbox. Best effort: nobody waits for long, and status pages know the same.
    fn tell(&self, mailbox: &str, body: Bytes);

    /// Whether messages can be published at this moment.
    fn is_connected(&self) -> bool;
}

/// How much is handed out together; a single message always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Most messages.
    pub messages: usize,
    /// Their bodies together are no larger, but for the last of them.
    pub bytes: usize,
}

/// One reader of one queue. It rebuilds whatever is lost beneath it, for ever.
#[async_trait]
pub trait Consumer: Send {
    /// Waits until there is a message, then hands out what is there. Dropping the future loses nothing. The batch before
    /// must have been settled.
    async fn next(&mut self) -> Vec<Delivery>;

    /// Forgets the batch in flight.
    ///
    /// # Errors
    /// The broker may hand the batch out again.
    async fn ack(&mut self) -> Result<(), NotAcked>;

    /// Gives the batch in flight back, without counting it as an attempt where the broker can tell the difference.
    async fn requeue(&mut self);

    /// Gives back what was not handed out, and ends.
    async fn close(self: Box<Self>);
}

/// A message as it was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The bytes that were published.
    pub body: Bytes,
    /// How often it had been handed out before.
    pub redeliveries: u32,
    /// Where it was published, if that is recorded.
    pub trace: Option<TraceContext>,
}

/// This process's address for results, and what arrives there.
#[derive(Debug)]
pub struct Mailbox {
    /// `None` while nothing could arrive. It changes when a connection is rebuilt.
    pub address: watch::Receiver<Option<String>>,
    /// The bodies that were told.
    pub messages: mpsc::Receiver<Bytes>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection to the broker.
    #[error("the broker cannot be reached")]
    Disconnected,
    /// The broker did not confirm in time, as when its memory or disk alarm blocks publishers.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The broker refused the message, as when the queue is full.
    #[error("the broker refused the message; a queue may be full")]
    Refused,
    /// The queue does not exist.
    #[error("the broker has no such queue")]
    Unroutable,
    /// The broker takes no message of this size. It never will, unless it is set otherwise.
    #[error("the message is larger than the broker takes (RabbitMQ: max_message_size)")]
    TooLarge,
}

impl PublishError {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Disconnected, Self::TimedOut, Self::Refused, Self::Unroutable, Self::TooLarge];

    /// The word for it in metrics.
    #[must_use]
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

/// The broker did not take an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the acknowledgement was not taken; the broker will hand the batch out again")]
pub struct NotAcked;
