//! An inspection of a RabbitMQ over AMQP, for the doctor. It changes no queue of the installation and takes no
//! message out of one. Its tests use a queue of its own, which ends with its connection.

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind};
use uuid::Uuid;

use super::link::{Link, LinkError, within};
use super::topology::{PartitionQueue, Topology};
use crate::broker::partition;
use crate::broker::port::Queue;
use crate::config::BrokerConfig;

/// A connection for inspection.
#[derive(Debug)]
pub struct Inspection {
    link: Link,
    topology: Topology,
}

/// The reason why an operation fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The server does not answer.
    Silent,
    /// The login is wrong, or the user lacks a permission; with RabbitMQ's message.
    Forbidden(String),
    /// The virtual host does not exist, or is not open to this user; with RabbitMQ's message.
    VirtualHost(String),
    /// Another reason; with the message of RabbitMQ or the system.
    Other(String),
}

/// The state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The queue has the arguments that careq-sync declares.
    AsDeclared {
        /// Messages that no consumer holds.
        waiting: u32,
        /// Its consumers.
        consumers: u32,
    },
    /// The queue does not exist.
    Missing,
    /// The queue was declared with other arguments; with RabbitMQ's message.
    Differs(String),
    /// The queue cannot be inspected.
    Refused(Refusal),
}

/// The reason why a message does not pass through a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    /// The user lacks the permission `configure`, `write` or `read`; with RabbitMQ's message.
    Forbidden(&'static str, String),
    /// RabbitMQ accepts no messages: its memory or disk alarm is active.
    Blocked,
    /// Another reason.
    Other(Refusal),
}

impl Inspection {
    /// Connects once.
    ///
    /// # Errors
    /// The reason of the failure.
    pub async fn open(config: &BrokerConfig) -> Result<Self, Refusal> {
        let link = Link::new(config, "careq-sync doctor")?;
        link.channel().await?;
        Ok(Self { link, topology: Topology::new(config) })
    }

    /// The full name of a queue.
    pub fn name(&self, queue: PartitionQueue) -> String {
        self.topology.name(queue)
    }

    /// Every queue of the settings.
    pub fn queues(&self) -> Vec<PartitionQueue> {
        self.topology.queues()
    }

    /// Inspects a queue.
    pub async fn standing(&self, queue: PartitionQueue) -> Standing {
        self.compare(queue).await.unwrap_or_else(|fault| match amqp(&fault) {
            Some((AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND), _)) => Standing::Missing,
            Some((AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED), words)) => Standing::Differs(words),
            _ => Standing::Refused(fault.into()),
        })
    }

    /// Inspects the partitions beyond those of the settings, which remain after their number was lowered. The search ends
    /// at the first number without a queue, and at a queue that cannot be inspected.
    pub async fn leftovers(&self) -> Vec<(PartitionQueue, Standing)> {
        let mut leftovers = Vec::new();
        for partition in self.topology.partitions()..partition::MAX {
            let found_before = leftovers.len();
            for queue in [Queue::Live, Queue::Bulk] {
                let queue = PartitionQueue { queue, partition };
                match self.standing(queue).await {
                    Standing::Missing => {}
                    refused @ Standing::Refused(_) => {
                        leftovers.push((queue, refused));
                        return leftovers;
                    }
                    standing => leftovers.push((queue, standing)),
                }
            }
            if leftovers.len() == found_before {
                break;
            }
        }
        leftovers
    }

    async fn compare(&self, queue: PartitionQueue) -> Result<Standing, LinkError> {
        let found = self.topology.state(&self.link.channel().await?, queue).await?;
        // Declaring an existing queue changes nothing, and RabbitMQ compares the arguments.
        within(self.topology.declare(&self.link.channel().await?, queue)).await?;
        Ok(Standing::AsDeclared { waiting: found.message_count(), consumers: found.consumer_count() })
    }

    /// Sends a message through a temporary queue, named like a mailbox, and waits for the confirm.
    ///
    /// # Errors
    /// The failing step.
    pub async fn round_trip(&self) -> Result<(), Stuck> {
        let link = self.link.another("round trip");
        let channel = link.channel().await.map_err(|fault| Stuck::at("configure", fault))?;
        let tried = self.try_round_trip(&link, &channel).await;
        link.close(channel).await;
        tried
    }

    async fn try_round_trip(&self, link: &Link, channel: &Channel) -> Result<(), Stuck> {
        let name = self.topology.mailbox_name(&format!("doctor-{}", Uuid::new_v4().simple()));
        let exclusive =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(name.as_str().into(), exclusive, FieldTable::default());
        within(declared).await.map_err(|fault| Stuck::at("configure", fault))?;
        if let Err(fault) = publish(channel, &name).await {
            return Err(if link.is_blocked().await { Stuck::Blocked } else { Stuck::at("write", fault) });
        }
        let got = within(channel.basic_get(name.into(), BasicGetOptions { no_ack: true })).await;
        match got.map_err(|fault| Stuck::at("read", fault))? {
            Some(_) => Ok(()),
            None => Err(Stuck::Other(Refusal::Other("a confirmed message is not in its queue".to_owned()))),
        }
    }

    /// Ends the connection.
    pub async fn close(&self) {
        // No channel on it is in use.
        self.link.close(()).await;
    }
}

async fn publish(channel: &Channel, queue: &str) -> Result<(), LinkError> {
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    #[expect(clippy::disallowed_methods, reason = "this is the one task that publishes on this channel")]
    let publishing =
        channel.basic_publish("".into(), queue.into(), mandatory, b"doctor", BasicProperties::default());
    let confirm = within(publishing).await?;
    match within(confirm).await? {
        Confirmation::Ack(None) => Ok(()),
        _ => Err(LinkError::TimedOut),
    }
}

impl Stuck {
    fn at(right: &'static str, fault: LinkError) -> Self {
        match Refusal::from(fault) {
            Refusal::Forbidden(words) => Self::Forbidden(right, words),
            refusal => Self::Other(refusal),
        }
    }
}

impl From<LinkError> for Refusal {
    fn from(fault: LinkError) -> Self {
        match amqp(&fault) {
            Some((AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED), words)) => Self::Forbidden(words),
            Some((AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED), words)) => Self::VirtualHost(words),
            Some((_, words)) => Self::Other(words),
            None if matches!(fault, LinkError::TimedOut) => Self::Silent,
            None => Self::Other(fault.reason()),
        }
    }
}

fn amqp(fault: &LinkError) -> Option<(AMQPErrorKind, String)> {
    let LinkError::Protocol(fault) = fault else { return None };
    let ErrorKind::ProtocolError(said) = fault.kind() else { return None };
    Some((said.kind().clone(), said.get_message().to_string()))
}
