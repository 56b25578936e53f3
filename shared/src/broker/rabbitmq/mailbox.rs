//! The exclusive queue of results of one ingress. It ends with its connection, so no unread result is stored.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::link::{Link, LinkError, within};
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::broker::port::Mailbox;

/// The number of result messages that may wait for the ingress. Each covers one worker batch.
const MAX_WAITING: usize = 256;

pub(super) fn open(link: Arc<Link>, topology: &Arc<Topology>) -> Mailbox {
    let (publish_address, address) = watch::channel(None);
    let (arrived, messages) = mpsc::channel(MAX_WAITING);
    tokio::spawn(supervise(link, Arc::clone(topology), publish_address, arrived));
    Mailbox { address, messages }
}

async fn supervise(
    link: Arc<Link>,
    topology: Arc<Topology>,
    address: watch::Sender<Option<String>>,
    arrived: mpsc::Sender<Bytes>,
) {
    let mut backoff = Backoff::default();
    while !arrived.is_closed() {
        // The name is new, because the server may still hold the old connection with its exclusive queue.
        let name = topology.mailbox_name(&Uuid::new_v4().simple().to_string());
        if let Ok((channel, mut results)) = consume(&link, &name).await {
            backoff.reset();
            address.send_replace(Some(name));
            while let Some(Ok(delivered)) = results.next().await {
                if arrived.send(delivered.data.into()).await.is_err() {
                    break;
                }
            }
            address.send_replace(None);
            drop(channel);
        }
        backoff.wait().await;
    }
}

async fn consume(link: &Link, name: &str) -> Result<(lapin::Channel, lapin::Consumer), LinkError> {
    let channel = link.channel().await?;
    let exclusive =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    within(channel.queue_declare(name.into(), exclusive, FieldTable::default())).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let results =
        within(channel.basic_consume(name.into(), "".into(), options, FieldTable::default())).await?;
    Ok((channel, results))
}
