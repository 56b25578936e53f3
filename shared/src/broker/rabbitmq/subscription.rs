//! A subscription to the queue of one partition, with a channel of its own. Its acknowledgements use `multiple` on the
//! last delivery of a batch. They cover only this batch, because the channel delivers nothing else.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as LapinDelivery;
use lapin::options::{BasicCancelOptions, BasicNackOptions};
use lapin::{Acker, Channel};

use super::link::{LinkError, within};
use crate::backoff::Backoff;
use crate::ignore;

/// The age at which a subscription that ends is opened again after the shortest delay.
const STABLE_AFTER: Duration = Duration::from_secs(10);

pub(super) struct Subscription {
    pub(super) partition: u16,
    pub(super) prefetch: u16,
    pub(super) channel: Channel,
    pub(super) deliveries: lapin::Consumer,
    pub(super) opened_at: Instant,
    /// The delays before it was opened.
    pub(super) backoff: Backoff,
}

impl Subscription {
    /// The next delivery, or the reason why the subscription has ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<LapinDelivery, LinkError>> {
        let next = std::task::ready!(self.deliveries.poll_next_unpin(context));
        Poll::Ready(next.ok_or(LinkError::Cancelled).and_then(|delivered| Ok(delivered?)))
    }

    /// Whether its prefetch is right for a consumer whose partitions have this share. A new prefetch needs a new
    /// subscription, so a small difference is kept.
    pub(super) const fn fits(&self, share: u16) -> bool {
        self.prefetch / 2 <= share && share / 4 <= self.prefetch
    }

    /// Closes the channel of a subscription that has ended, and returns the delays before the next one.
    pub(super) fn end(mut self) -> Backoff {
        if self.opened_at.elapsed() > STABLE_AFTER {
            self.backoff.reset();
        }
        self.backoff
    }

    /// Cancels the subscription and returns prefetched messages by `nack`, which newer versions do not count as an
    /// attempt; closing the channel would count.
    pub(super) async fn drain(mut self) {
        let cancelled = self.channel.basic_cancel(self.deliveries.tag(), BasicCancelOptions::default());
        if within(cancelled).await.is_err() {
            return;
        }
        let mut last = None;
        while let Some(Some(Ok(delivered))) = self.deliveries.next().now_or_never() {
            last = Some(delivered.acker);
        }
        if let Some(acker) = last {
            give_back(&acker).await;
        }
        ignore(
            within(self.channel.close(200, "drained".into())).await,
            "the channel or connection is closed next",
        );
    }
}

/// Returns this delivery and all before it; returns whether RabbitMQ still had the channel.
pub(super) async fn give_back(acker: &Acker) -> bool {
    let options = BasicNackOptions { multiple: true, requeue: true };
    matches!(within(acker.nack(options)).await, Ok(true))
}
