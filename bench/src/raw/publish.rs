//! Raw limit of publishing: confirmed messages to a quorum queue.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};

use crate::installation::{Installation, RabbitMqChannel};
use crate::statistics::to_f64;

/// Size of a booking's body, in bytes. The message that an ingress publishes is larger.
const BODY_BYTES: usize = 900;

/// Number of messages of the size of a webhook that RabbitMQ confirms per second, with a fixed number in flight.
pub(crate) async fn per_second(
    installation: &Installation,
    in_flight: usize,
    duration: Duration,
) -> Result<f64> {
    let rabbitmq = open_channel().await?;
    let (channel, queue, body) = (&rabbitmq.channel, installation.live_queue(), vec![b' '; BODY_BYTES]);
    let (began_at, mut count) = (Instant::now(), 0_u64);
    let mut publishing = FuturesUnordered::new();
    while began_at.elapsed() < duration {
        while publishing.len() < in_flight {
            publishing.push(confirmed(channel, &queue, &body));
        }
        publishing.next().await.transpose()?;
        count += 1;
    }
    let per_second = to_f64(count) / began_at.elapsed().as_secs_f64();
    while publishing.next().await.transpose()?.is_some() {}
    installation.purge().await?;
    Ok(per_second)
}

/// Opens a channel that confirms messages.
pub(super) async fn open_channel() -> Result<RabbitMqChannel> {
    let rabbitmq = RabbitMqChannel::open().await?;
    rabbitmq.channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(rabbitmq)
}

/// Publishes a message as an ingress does: persistent, mandatory, confirmed.
pub(super) async fn confirmed(channel: &Channel, queue: &str, body: &[u8]) -> Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    #[expect(clippy::disallowed_methods, reason = "this is the raw limit")]
    let publishing = channel.basic_publish("".into(), queue.into(), options, body, properties);
    ensure!(matches!(publishing.await?.await?, Confirmation::Ack(None)), "the message was not confirmed");
    Ok(())
}
