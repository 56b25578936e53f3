//! The queues and their arguments. Every argument whose default differs between RabbitMQ 3.10 and 4.x is set
//! (RabbitMQ manual, "Quorum Queues", "Dead Lettering").

use std::time::Duration;

use futures_util::future::join_all;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use super::link::{Link, LinkError, within};
use crate::backoff::Backoff;
use crate::broker::port::{DELIVERY_LIMIT, Queue};

/// The names of an installation's queues.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
}

impl Topology {
    /// The queues `{prefix}.live`, `{prefix}.bulk` and `{prefix}.dead`.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The full name of a queue.
    pub fn name(&self, queue: Queue) -> String {
        format!("{}.{}", self.prefix, queue.as_str())
    }

    /// Declares every queue, and retries until RabbitMQ can be used or the timeout has passed.
    pub(super) async fn wait_until_usable(&self, link: &Link, timeout: Duration) -> Result<(), LinkError> {
        let mut backoff = Backoff::default();
        let mut reason = LinkError::TimedOut.to_string();
        let attempts = async {
            loop {
                match self.declare_each(link, &Queue::ALL).await {
                    Ok(()) => return,
                    Err(fault) => reason = fault.reason(),
                }
                backoff.wait().await;
            }
        };
        let usable = tokio::time::timeout(timeout, attempts).await;
        usable.map_err(|_| LinkError::Unusable(link.address(), reason))
    }

    /// The name of a mailbox.
    pub(super) fn mailbox_name(&self, instance: &str) -> String {
        format!("{}.results.{instance}", self.prefix)
    }

    /// Declares queues, each over a channel of its own. A queue without a leader does not answer, and RabbitMQ ends
    /// its connection after a minute. The declaring connection therefore has no other use, and one answering queue is
    /// enough.
    pub(super) async fn declare_each(&self, link: &Link, queues: &[Queue]) -> Result<(), LinkError> {
        let mut channels = Vec::new();
        for _ in queues {
            channels.push(link.channel().await?);
        }
        let each = queues.iter().zip(&channels);
        let declared = join_all(each.map(|(queue, channel)| self.declare_alone(channel, *queue))).await;
        link.close(channels).await;
        let answered = declared.into_iter().collect::<Result<Vec<_>, _>>()?;
        if answered.contains(&true) { Ok(()) } else { Err(LinkError::TimedOut) }
    }

    /// Whether RabbitMQ answered for this queue.
    async fn declare_alone(&self, channel: &Channel, queue: Queue) -> Result<bool, LinkError> {
        match within(self.declare(channel, queue)).await {
            Ok(()) => Ok(true),
            Err(LinkError::TimedOut) => {
                let queue = self.name(queue);
                tracing::warn!(
                    queue,
                    "RabbitMQ does not answer for this queue; `rabbitmq-queues quorum_status` shows the reason"
                );
                Ok(false)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Declares a queue. Declaring an existing queue with the same arguments changes nothing.
    pub(super) async fn declare(&self, channel: &Channel, queue: Queue) -> lapin::Result<()> {
        let (name, arguments) = (self.name(queue), self.arguments(queue));
        channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await.map(drop)
    }

    /// The state of a queue. The declaration is passive: it creates no queue and ignores the arguments.
    pub(super) async fn state(&self, channel: &Channel, queue: Queue) -> Result<lapin::Queue, LinkError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        within(channel.queue_declare(self.name(queue).into(), passive, FieldTable::default())).await
    }

    /// Counts the messages that no consumer holds. The connection has no other use, because a quorum queue without a
    /// leader blocks it.
    pub(super) async fn ready(&self, link: &Link, queue: Queue) -> Result<u64, LinkError> {
        let channel = link.channel().await?;
        let counted = async {
            let count = self.state(&channel, queue).await?.message_count();
            within(channel.close(200, "counted".into())).await?;
            Ok(u64::from(count))
        };
        let counted = counted.await;
        if counted.is_err() {
            // A channel whose queue has no leader would end the connection a minute later.
            link.close(channel).await;
        }
        counted
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
            set("x-dead-letter-routing-key", text(&self.name(Queue::Dead)));
            // The default, at-most-once, may lose the message on its way to the dead-letter queue.
            set("x-dead-letter-strategy", text("at-least-once"));
        }
        arguments
    }
}
