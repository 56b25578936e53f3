//! The raw limit of publishing: messages of a webhook's size, each confirmed, so many of them under way.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::ConfirmSelectOptions;

use super::http::publish;
use crate::installation::{Installation, RabbitMqChannel};
use crate::repeat::number;

/// A body of a booking's size, in bytes: what an ingress makes of it is larger.
const BODY_BYTES: usize = 900;

/// Messages per second that RabbitMQ confirms.
pub(crate) async fn confirmed(
    installation: &Installation,
    under_way: usize,
    during: Duration,
) -> Result<f64> {
    let rabbitmq = RabbitMqChannel::open().await?;
    let (channel, queue, body) = (&rabbitmq.channel, installation.live(), vec![b' '; BODY_BYTES]);
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (began_at, mut count) = (Instant::now(), 0_u64);
    let mut publishing = FuturesUnordered::new();
    while began_at.elapsed() < during {
        while publishing.len() < under_way {
            publishing.push(publish(channel, &queue, &body));
        }
        publishing.next().await.transpose()?;
        count += 1;
    }
    let per_second = number(count) / began_at.elapsed().as_secs_f64();
    while publishing.next().await.transpose()?.is_some() {}
    installation.purge().await?;
    Ok(per_second)
}
