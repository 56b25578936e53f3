//! Counts the ready messages of a queue. It declares passively: an argument that differs would close the channel.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::link::{Link, LinkError, within};
use super::topology::Topology;
use crate::broker::depths::CountReady;
use crate::broker::port::Queue;

/// A connection for counting alone.
#[derive(Debug)]
pub(super) struct Counting {
    link: Arc<Link>,
    topology: Arc<Topology>,
}

impl Counting {
    pub(super) fn new(link: Arc<Link>, topology: Arc<Topology>) -> Self {
        Self { link, topology }
    }

    async fn waiting(&self, queue: Queue) -> Result<u64, LinkError> {
        let channel = self.link.channel().await?;
        let counted = self.count(&channel, queue).await;
        if counted.is_err() {
            // A channel whose queue has no leader would end the connection a minute later.
            self.link.close(channel).await;
        }
        counted
    }

    async fn count(&self, channel: &Channel, queue: Queue) -> Result<u64, LinkError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asking = channel.queue_declare(self.topology.name(queue).into(), passive, FieldTable::default());
        let count = within(asking).await?.message_count();
        within(channel.close(200, "counted".into())).await?;
        Ok(u64::from(count))
    }
}

#[async_trait]
impl CountReady for Counting {
    async fn ready(&self, queue: Queue) -> Option<u64> {
        self.waiting(queue)
            .await
            .inspect_err(
                |reason| tracing::debug!(queue = queue.as_str(), %reason, "a queue cannot be counted"),
            )
            .ok()
    }
}
