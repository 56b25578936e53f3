//! Raw limit of publishing: messages of the size of a webhook, each confirmed, with a fixed number in flight.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::ConfirmSelectOptions;

use super::http::publish;
use crate::installation::{Installation, RabbitMqChannel};
use crate::statistics::to_f64;

/// Size of a booking's body, in bytes. The message that an ingress publishes is larger.
const BODY_BYTES: usize = 900;

/// Number of messages that RabbitMQ confirms per second.
pub(crate) async fn confirmed(
    installation: &Installation,
    in_flight: usize,
    duration: Duration,
) -> Result<f64> {
    let rabbitmq = RabbitMqChannel::open().await?;
    let (channel, queue, body) = (&rabbitmq.channel, installation.live(), vec![b' '; BODY_BYTES]);
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (began_at, mut count) = (Instant::now(), 0_u64);
    let mut publishing = FuturesUnordered::new();
    while began_at.elapsed() < duration {
        while publishing.len() < in_flight {
            publishing.push(publish(channel, &queue, &body));
        }
        publishing.next().await.transpose()?;
        count += 1;
    }
    let per_second = to_f64(count) / began_at.elapsed().as_secs_f64();
    while publishing.next().await.transpose()?.is_some() {}
    installation.purge().await?;
    Ok(per_second)
}
