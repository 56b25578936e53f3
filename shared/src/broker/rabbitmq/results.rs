//! The results of events: the mailbox of an ingress, and the task of a worker that sends to mailboxes. The status
//! pages have the results that are lost.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::link::{Link, LinkError, within};
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::broker::port::Mailbox;

/// The number of result messages that may wait for the ingress. Each covers one worker batch.
const MAX_RECEIVED: usize = 256;

/// The number of result messages that may wait; further messages are dropped.
const MAX_UNSENT: usize = 1_024;

/// Opens the exclusive queue of results of one ingress. It ends with its connection, so no unread result is stored.
pub(super) fn mailbox(link: Arc<Link>, topology: &Arc<Topology>) -> Mailbox {
    let (publish_address, address) = watch::channel(None);
    let (arrived, messages) = mpsc::channel(MAX_RECEIVED);
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

async fn consume(link: &Link, name: &str) -> Result<(Channel, Consumer), LinkError> {
    let channel = link.channel().await?;
    let exclusive =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    within(channel.queue_declare(name.into(), exclusive, FieldTable::default())).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let results =
        within(channel.basic_consume(name.into(), "".into(), options, FieldTable::default())).await?;
    Ok((channel, results))
}

/// Starts the task that sends results, each with its mailbox, unconfirmed and not persistent. It does not block a
/// worker.
pub(super) fn sender(link: Arc<Link>) -> mpsc::Sender<(String, Bytes)> {
    let (results, mut waiting) = mpsc::channel(MAX_UNSENT);
    tokio::spawn(async move {
        let mut channel = None;
        while let Some((mailbox, body)) = waiting.recv().await {
            if let Err(reason) = send(&link, &mut channel, mailbox, &body).await {
                tracing::debug!(%reason, "a result message was not sent");
                channel = None;
            }
        }
    });
    results
}

async fn send(
    link: &Link,
    channel: &mut Option<Channel>,
    mailbox: String,
    body: &Bytes,
) -> Result<(), LinkError> {
    let open = match channel.take() {
        Some(open) => open,
        None => link.channel().await?,
    };
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    #[expect(clippy::disallowed_methods, reason = "this is the one task that publishes on this channel")]
    let sent = open.basic_publish("".into(), mailbox.into(), options, body, properties);
    within(sent).await?;
    *channel = Some(open);
    Ok(())
}
