//! The queues and their arguments. Every argument whose default differs between RabbitMQ 3.10 and 4.x is set
//! (RabbitMQ manual, "Quorum Queues", "Dead Lettering").

use std::num::NonZero;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use super::link::{Link, LinkError, within};
use crate::backoff::Backoff;
use crate::broker::partition;
use crate::broker::port::{DELIVERY_LIMIT, Queue, Ready};
use crate::config::BrokerConfig;
use crate::ignore;

/// One queue of RabbitMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionQueue {
    /// The queue of the port.
    pub queue: Queue,
    /// Its partition, from 0. The dead queue has only this one.
    pub partition: u16,
}

/// The queues that a process finds at its start.
pub(super) struct Found {
    /// Those of the settings that can be used.
    pub(super) usable: Vec<PartitionQueue>,
    /// The number of partitions that exist.
    pub(super) partitions: u16,
}

/// The queue for messages that RabbitMQ gave up.
const DEAD: PartitionQueue = PartitionQueue { queue: Queue::Dead, partition: 0 };

/// The names and the number of an installation's queues.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
    partitions: NonZero<u16>,
}

impl Topology {
    /// The queues `{prefix}.live.NN` and `{prefix}.bulk.NN` for each partition, and `{prefix}.dead`.
    pub fn new(config: &BrokerConfig) -> Self {
        Self { prefix: config.prefix.clone(), partitions: config.partitions }
    }

    /// The full name of a queue.
    pub fn name(&self, PartitionQueue { queue, partition }: PartitionQueue) -> String {
        match queue {
            Queue::Dead => format!("{}.{queue}", self.prefix),
            Queue::Live | Queue::Bulk => format!("{}.{queue}.{partition:02}", self.prefix),
        }
    }

    /// Every queue. The dead queue is first, because the others dead-letter to it.
    pub fn queues(&self) -> Vec<PartitionQueue> {
        Queue::ALL.into_iter().flat_map(|queue| partitions_of(queue, self.partitions.get())).collect()
    }

    /// The number of partitions to which this process publishes.
    pub(super) fn partitions(&self) -> u16 {
        self.partitions.get()
    }

    /// The partition of a clinic.
    pub(super) fn partition(&self, clinic_id: &str) -> u16 {
        partition::for_clinic(clinic_id, self.partitions)
    }

    /// Declares every queue, and retries until RabbitMQ can be used or the timeout has passed.
    pub(super) async fn wait_until_usable(&self, link: &Link, timeout: Duration) -> Result<Found, LinkError> {
        let mut backoff = Backoff::default();
        let mut reason = LinkError::TimedOut.to_string();
        let attempts = async {
            loop {
                match self.try_declare(link).await {
                    Ok(found) => return found,
                    Err(fault) => reason = fault.reason(),
                }
                backoff.wait().await;
            }
        };
        let usable = tokio::time::timeout(timeout, attempts).await;
        usable.map_err(|_| LinkError::Unusable(link.address(), reason))
    }

    async fn try_declare(&self, link: &Link) -> Result<Found, LinkError> {
        let (mut usable, mut refusal) = (Vec::new(), None);
        for (queue, declared) in self.declare_each(link, &self.queues()).await? {
            match declared {
                Ok(()) => usable.push(queue),
                Err(fault) => refusal = Some(fault),
            }
        }
        match refusal {
            Some(fault) if usable.is_empty() => Err(fault),
            _ => {
                let partitions = self.count_partitions(link).await?;
                link.close(()).await;
                Ok(Found { usable, partitions })
            }
        }
    }

    /// The name of a mailbox.
    pub(super) fn mailbox_name(&self, instance: &str) -> String {
        format!("{}.results.{instance}", self.prefix)
    }

    /// Declares queues, each over a channel of its own. A queue whose nodes are away may not answer, and RabbitMQ ends its
    /// connection after a minute. The declaring connection therefore has no other use. A refusal is logged.
    ///
    /// # Errors
    /// RabbitMQ cannot be reached.
    pub(super) async fn declare_each(
        &self,
        link: &Link,
        queues: &[PartitionQueue],
    ) -> Result<Vec<(PartitionQueue, Result<(), LinkError>)>, LinkError> {
        let mut channels = Vec::new();
        for _ in queues {
            channels.push(link.channel().await?);
        }
        let each = queues.iter().zip(&channels);
        let mut declared = join_all(each.map(|(queue, channel)| within(self.declare(channel, *queue)))).await;
        link.close(channels).await;
        for (queue, declared) in queues.iter().zip(&mut declared) {
            // One queue may have ended the connection of all.
            if declared.as_ref().is_err_and(LinkError::is_of_the_connection) {
                let channel = link.channel().await?;
                *declared = within(self.declare(&channel, *queue)).await;
                link.close(channel).await;
            }
        }
        for (queue, declared) in queues.iter().zip(&declared) {
            if let Err(fault) = declared {
                let (queue, reason) = (self.name(*queue), fault.reason());
                tracing::warn!(queue, reason, "a queue cannot be used; `careq-sync doctor` examines it");
            }
        }
        Ok(queues.iter().copied().zip(declared).collect())
    }

    /// Declares a queue. Declaring an existing queue with the same arguments changes nothing. A queue beyond the number of
    /// partitions of the settings is not created again after a person has deleted it.
    pub(super) async fn declare(&self, channel: &Channel, queue: PartitionQueue) -> lapin::Result<()> {
        let is_leftover = queue.partition >= self.partitions.get();
        let options = QueueDeclareOptions { passive: is_leftover, ..QueueDeclareOptions::durable() };
        let (name, arguments) = (self.name(queue), self.arguments(queue.queue));
        channel.queue_declare(name.into(), options, arguments).await.map(drop)
    }

    /// The state of a queue. The declaration is passive: it creates no queue and ignores the arguments.
    pub(super) async fn state(
        &self,
        channel: &Channel,
        queue: PartitionQueue,
    ) -> Result<lapin::Queue, LinkError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        within(channel.queue_declare(self.name(queue).into(), passive, FieldTable::default())).await
    }

    /// Counts the partitions that exist: those of the settings, and others from a time with a larger number. RabbitMQ
    /// logs an error for the two queues that do not exist.
    async fn count_partitions(&self, link: &Link) -> Result<u16, LinkError> {
        let mut count = self.partitions.get();
        while count < partition::MAX && self.exists(link, count).await? {
            count += 1;
        }
        Ok(count)
    }

    async fn exists(&self, link: &Link, partition: u16) -> Result<bool, LinkError> {
        for queue in [Queue::Live, Queue::Bulk] {
            let channel = link.channel().await?;
            match self.state(&channel, PartitionQueue { queue, partition }).await {
                Err(fault) if fault.is_not_found() => {}
                Ok(_) => {
                    let closed = within(channel.close(200, "found".into())).await;
                    ignore(closed, "the next channel is another one");
                    return Ok(true);
                }
                // A queue that refuses or does not answer exists.
                Err(fault) if !fault.is_of_the_connection() => {
                    link.close(channel).await;
                    return Ok(true);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(false)
    }

    /// Counts the messages of a queue that no consumer holds. The connection has no other use, because a quorum queue
    /// without a leader blocks it.
    pub(super) async fn ready(&self, link: &Link, queue: Queue, partitions: u16) -> Result<Ready, LinkError> {
        let channel = link.channel().await?;
        let counted = async {
            let own = partitions_of(queue, partitions.min(self.partitions.get()));
            let own = try_join_all(own.map(|queue| self.state(&channel, queue))).await?;
            within(channel.close(200, "counted".into())).await?;
            let leftovers = partitions_of(queue, partitions).skip(own.len());
            let leftovers = try_join_all(leftovers.map(|queue| self.count_leftover(link, queue))).await?;
            let counts = own.iter().map(lapin::Queue::message_count).chain(leftovers).map(u64::from);
            Ok(Ready { total: counts.clone().sum(), max: counts.max().unwrap_or_default() })
        };
        let counted = counted.await;
        if counted.is_err() {
            // A channel whose queue has no leader would end the connection a minute later.
            link.close(channel).await;
        }
        counted
    }

    /// Counts over a channel of its own: a person may have deleted the queue.
    async fn count_leftover(&self, link: &Link, queue: PartitionQueue) -> Result<u32, LinkError> {
        let channel = link.channel().await?;
        match self.state(&channel, queue).await {
            Ok(state) => {
                within(channel.close(200, "counted".into())).await?;
                Ok(state.message_count())
            }
            Err(fault) if fault.is_not_found() => Ok(0),
            Err(fault) => Err(fault),
        }
    }

    fn arguments(&self, queue: Queue) -> FieldTable {
        let mut arguments = FieldTable::default();
        let mut set = |name: &str, value: AMQPValue| {
            arguments.insert(name.into(), value);
        };
        let text = |text: &str| AMQPValue::LongString(text.into());
        // Replicated and on disk before it is confirmed.
        set("x-queue-type", text("quorum"));
        // A full queue refuses, and the ingress answers 503. The default would silently drop the oldest message.
        set("x-overflow", text("reject-publish"));
        if queue == Queue::Dead {
            // The dead queue has no dead-letter queue, so its limit is practically infinite. 4.x drops after 20
            // deliveries by default, and 3.10 has no -1 for "unlimited".
            set("x-delivery-limit", AMQPValue::LongInt(i32::MAX));
        } else {
            set("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT.cast_signed()));
            set("x-dead-letter-exchange", text(""));
            set("x-dead-letter-routing-key", text(&self.name(DEAD)));
            // The default, at-most-once, may lose the message on its way to the dead-letter queue.
            set("x-dead-letter-strategy", text("at-least-once"));
        }
        arguments
    }
}

/// The partitions of a queue.
fn partitions_of(queue: Queue, partitions: u16) -> impl Iterator<Item = PartitionQueue> {
    let count = if queue == Queue::Dead { 1 } else { partitions };
    (0..count).map(move |partition| PartitionQueue { queue, partition })
}
