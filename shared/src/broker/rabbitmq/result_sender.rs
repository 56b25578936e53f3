//! Sends results to mailboxes, unconfirmed and not persistent. The status pages have the results that are lost. It
//! does not block a worker.

use std::sync::Arc;

use bytes::Bytes;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel};
use tokio::sync::mpsc;

use super::link::{Link, LinkError, within};

/// The number of result messages that may wait; further messages are dropped.
const MAX_WAITING: usize = 1_024;

#[derive(Debug)]
pub(super) struct ResultSender {
    results: mpsc::Sender<(String, Bytes)>,
}

impl ResultSender {
    pub(super) fn start(link: Arc<Link>) -> Self {
        let (results, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(link, waiting));
        Self { results }
    }

    pub(super) fn send(&self, mailbox: &str, body: Bytes) {
        if self.results.try_send((mailbox.to_owned(), body)).is_err() {
            tracing::debug!("a result message was dropped: too many wait to be sent");
        }
    }
}

async fn run(link: Arc<Link>, mut waiting: mpsc::Receiver<(String, Bytes)>) {
    let mut channel: Option<Channel> = None;
    while let Some((mailbox, body)) = waiting.recv().await {
        if let Err(reason) = send_one(&link, &mut channel, mailbox, &body).await {
            tracing::debug!(%reason, "a result message was not sent");
            channel = None;
        }
    }
}

async fn send_one(
    link: &Link,
    channel: &mut Option<Channel>,
    mailbox: String,
    body: &Bytes,
) -> Result<(), LinkError> {
    let open = match channel.take() {
        Some(open) => open,
        None => link.channel().await?,
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one task that publishes on this channel")]
    let sent = open.basic_publish(
        "".into(),
        mailbox.into(),
        BasicPublishOptions::default(),
        body,
        BasicProperties::default(),
    );
    within(sent).await?;
    *channel = Some(open);
    Ok(())
}
