//! Opens the subscriptions of a consumer. A queue without a leader can be declared, but RabbitMQ does not answer its
//! `basic.consume` for a minute, and then ends the connection. So a queue that did not answer once is tried over a
//! connection of its own before the consumer's.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use lapin::Channel;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::link::{DEADLINE, Link, LinkError};
use super::subscription::Subscription;
use super::topology::{PartitionQueue, Topology};
use crate::backoff::Backoff;
use crate::broker::port::{Assignment, BatchLimit, MAX_LIVE_BYTES, Queue};
use crate::telemetry::metrics::{ByQueue, metrics};

/// The memory for prefetched messages of one consumer, in bytes. AMQP limits their number only.
const MAX_PREFETCH_BYTES: usize = 16 * 1_024 * 1_024;

/// The maximum number of queues that are probed at a time.
pub(super) const MAX_PROBES: usize = 8;

/// The maximum delay before a queue is tried again. Each try of a queue without a leader occupies a connection for a minute.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// The parameters of a consumer.
pub(super) struct Source {
    pub(super) link: Arc<Link>,
    pub(super) topology: Arc<Topology>,
    pub(super) queue: Queue,
    /// The limits of a batch.
    pub(super) batch: BatchLimit,
    /// A copy of it says that this consumer cannot reach RabbitMQ.
    pub(super) unreadable: Weak<()>,
    /// The right to probe a queue.
    pub(super) probes: Semaphore,
}

impl Source {
    /// Opens a subscription, and retries until it is open; `None` if the partition is no longer assigned. After one that has
    /// ended, it first waits for the next of its delays.
    ///
    /// It must not be cancelled: lapin 4.12 does not close a channel whose `basic.consume` is dropped before RabbitMQ has
    /// answered, and RabbitMQ would then deliver messages to no one.
    pub(super) async fn subscribe(
        self: Arc<Self>,
        partition: u16,
        prefetch: u16,
        delays: Option<Backoff>,
        assignment: Assignment,
    ) -> Option<Subscription> {
        let queue = PartitionQueue { queue: self.queue, partition };
        let mut backoff = match delays {
            Some(mut backoff) => {
                backoff.wait().await;
                backoff
            }
            None => Backoff::up_to(MAX_RETRY_DELAY),
        };
        let mut attempts = Attempts::default();
        while assignment.borrow().contains(&partition) {
            match self.try_subscribe(queue, prefetch, &mut attempts).await {
                Ok((channel, deliveries)) => {
                    let opened_at = Instant::now();
                    return Some(Subscription {
                        partition,
                        prefetch,
                        channel,
                        deliveries,
                        opened_at,
                        backoff,
                    });
                }
                // The link logs the end of its connection.
                Err(reason) if reason.is_of_the_connection() => {}
                Err(reason) => {
                    attempts.unusable.get_or_insert_with(|| Unusable::count(self.queue));
                    let (queue, reason) = (self.topology.name(queue), reason.reason());
                    tracing::warn!(queue, reason, "a queue cannot be read; it is tried again");
                }
            }
            backoff.wait().await;
        }
        None
    }

    async fn try_subscribe(
        &self,
        queue: PartitionQueue,
        prefetch: u16,
        attempts: &mut Attempts,
    ) -> Result<(Channel, lapin::Consumer), LinkError> {
        if attempts.is_suspect {
            self.probe(queue).await?;
            attempts.is_suspect = false;
        }
        let channel = self.channel(&self.link).await;
        let mut consuming = std::pin::pin!(self.consume(&self.link, channel, queue, prefetch));
        if let Ok(consumed) = timeout(DEADLINE, &mut consuming).await {
            return consumed;
        }
        attempts.is_suspect = true;
        attempts.unusable.get_or_insert_with(|| Unusable::count(self.queue));
        let queue = self.topology.name(queue);
        tracing::warn!(
            queue,
            "a queue does not answer; it may have no leader, and RabbitMQ ends the connection in a minute"
        );
        consuming.await
    }

    /// Subscribes over another connection, which then ends. RabbitMQ may deliver a message, and delivers it again.
    async fn probe(&self, queue: PartitionQueue) -> Result<(), LinkError> {
        let _permit = self.probes.acquire().await;
        let own = self.link.another("probe");
        let channel = own.channel().await?;
        let consumed = timeout(DEADLINE, self.consume(&own, channel, queue, 1)).await;
        let result = match &consumed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(reason)) => Err(reason.clone()),
            Err(_) => Err(LinkError::TimedOut),
        };
        own.close(consumed).await;
        result
    }

    /// Declares a queue and subscribes to it. What was published to a queue with other arguments is read, too.
    async fn consume(
        &self,
        link: &Link,
        mut channel: Channel,
        queue: PartitionQueue,
        prefetch: u16,
    ) -> Result<(Channel, lapin::Consumer), LinkError> {
        let declared = self.topology.declare(&channel, queue).await.map_err(LinkError::from);
        match declared {
            // RabbitMQ has closed the channel.
            Err(reason) if reason.is_of_other_arguments() => channel = link.channel().await?,
            declared => declared?,
        }
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (name, options) = (self.topology.name(queue).into(), BasicConsumeOptions::default());
        let deliveries = channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
        Ok((channel, deliveries))
    }

    /// Opens a channel as soon as RabbitMQ can be reached.
    pub(super) async fn channel(&self, link: &Link) -> Channel {
        if let Ok(channel) = link.channel().await {
            return channel;
        }
        let _unreadable = self.unreadable.upgrade();
        link.channel_when_reachable().await
    }

    /// The full name of the queue of a partition.
    pub(super) fn name(&self, partition: u16) -> String {
        self.topology.name(PartitionQueue { queue: self.queue, partition })
    }

    /// The prefetch of each of this many partitions: together two batches, the one in work and the next, for a single
    /// partition, as far as the memory suffices.
    pub(super) fn prefetch(&self, partitions: usize) -> u16 {
        let prefetch = (MAX_PREFETCH_BYTES / MAX_LIVE_BYTES / partitions.max(1)).min(self.batch.messages * 2);
        u16::try_from(prefetch).unwrap_or(u16::MAX)
    }
}

/// What the attempts to open a subscription have shown.
#[derive(Default)]
struct Attempts {
    /// Whether the queue did not answer in time.
    is_suspect: bool,
    unusable: Option<Unusable>,
}

/// A partition whose queue cannot be read, in the metrics while it lives.
struct Unusable(ByQueue);

impl Unusable {
    fn count(queue: Queue) -> Self {
        let label = ByQueue { queue: queue.as_str() };
        metrics().unusable_partitions.get_or_create(&label).inc();
        Self(label)
    }
}

impl Drop for Unusable {
    fn drop(&mut self) {
        metrics().unusable_partitions.get_or_create(&self.0).dec();
    }
}
