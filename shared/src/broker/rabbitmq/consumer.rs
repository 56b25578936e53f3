//! A consumer of partitions, with a connection of its own and one batch in flight. It reads its partitions in turn. Each
//! is opened by a task of its own, so one that cannot be used delays no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{join_all, poll_fn};
use lapin::Acker;
use lapin::message::Delivery as LapinDelivery;
use lapin::options::BasicAckOptions;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;
use tokio_util::task::JoinMap;

use super::delivery::delivery;
use super::link::{LinkError, within};
use super::source::Source;
use super::subscription::{Subscription, give_back};
use crate::backoff::Backoff;
use crate::broker::port::{Assignment, BatchLimit, Consumer, Delivery, NotAcked};

/// The interval at which the channels are checked.
const CHANNEL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct PartitionConsumer {
    source: Arc<Source>,
    assignment: Assignment,
    open: Subscriptions,
    opening: JoinMap<u16, Option<Subscription>>,
    /// Subscriptions to partitions that this consumer has lost.
    draining: JoinSet<()>,
    /// The last delivery of each partition in the batch in flight.
    in_flight: BTreeMap<u16, Acker>,
    checked_at: Instant,
}

impl PartitionConsumer {
    pub(super) fn new(source: Source, assignment: Assignment) -> Self {
        Self {
            source: Arc::new(source),
            assignment,
            open: Subscriptions::default(),
            opening: JoinMap::new(),
            draining: JoinSet::new(),
            in_flight: BTreeMap::new(),
            checked_at: Instant::now(),
        }
    }

    /// Waits for the first message without a timeout, and follows the assignment meanwhile.
    async fn first(&mut self) -> (u16, LapinDelivery) {
        loop {
            self.check_channels();
            self.follow_assignment();
            tokio::select! {
                next = poll_fn(|context| self.open.poll(context)) => match next {
                    (partition, Ok(delivered)) => return (partition, delivered),
                    (partition, Err(reason)) => self.ended(partition, &reason),
                },
                Some((_, opened)) = self.opening.join_next() => self.add(opened),
                () = changed(&mut self.assignment) => {}
                () = sleep_until((self.checked_at + CHANNEL_CHECK_INTERVAL).into()) => {}
            }
        }
    }

    /// Finds channels that have ended. lapin does not report the end of a connection that is closed from here, and that
    /// the server never answers.
    fn check_channels(&mut self) {
        if self.checked_at.elapsed() < CHANNEL_CHECK_INTERVAL {
            return;
        }
        self.checked_at = Instant::now();
        let open = self.open.subscriptions.iter();
        let ended = open.filter(|one| !one.channel.status().connected()).map(|one| one.partition);
        for partition in ended.collect::<Vec<_>>() {
            self.ended(partition, &LinkError::Closed);
        }
    }

    /// Drains lost partitions and opens new ones; likewise those whose prefetch no longer fits their number.
    fn follow_assignment(&mut self) {
        let assigned = self.assignment.borrow_and_update().clone();
        let prefetch = self.source.prefetch(assigned.len());
        let is_left = |one: &mut Subscription| !assigned.contains(&one.partition) || !one.fits(prefetch);
        for left in self.open.subscriptions.extract_if(.., is_left) {
            self.draining.spawn(left.drain());
        }
        while self.draining.try_join_next().is_some() {}
        for partition in assigned {
            if !self.open.contains(partition) && !self.opening.contains_key(&partition) {
                self.subscribe(partition, prefetch, None);
            }
        }
    }

    fn subscribe(&mut self, partition: u16, prefetch: u16, delays: Option<Backoff>) {
        let source = Arc::clone(&self.source);
        let subscribing = source.subscribe(partition, prefetch, delays, self.assignment.clone());
        self.opening.spawn(partition, subscribing);
    }

    fn add(&mut self, opened: Result<Option<Subscription>, JoinError>) {
        match opened {
            Ok(subscription) => self.open.subscriptions.extend(subscription),
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // A task is cancelled only while the process ends.
            Err(_) => {}
        }
    }

    fn ended(&mut self, partition: u16, reason: &LinkError) {
        // The link logs the end of its connection once for all.
        if !reason.is_of_the_connection() {
            let queue = self.source.name(partition);
            tracing::warn!(queue, %reason, "reading from RabbitMQ was interrupted; the queue is opened again");
        }
        self.open_again(partition);
    }

    /// Replaces the subscription of a partition. RabbitMQ delivers its unacknowledged messages again.
    fn open_again(&mut self, partition: u16) {
        let Some(ended) = self.open.remove(partition) else { return };
        self.subscribe(partition, ended.prefetch, Some(ended.end()));
    }
}

/// Open subscriptions. None is left out while another has messages.
#[derive(Default)]
struct Subscriptions {
    subscriptions: Vec<Subscription>,
    /// The position of the one that is read next.
    next: usize,
}

impl Subscriptions {
    /// The next message, or the reason why its partition's subscription has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(u16, Result<LapinDelivery, LinkError>)> {
        let count = self.subscriptions.len();
        for offset in 0..count {
            let position = (self.next + offset) % count;
            let subscription = &mut self.subscriptions[position];
            if let Poll::Ready(delivered) = subscription.poll(context) {
                self.next = position + 1;
                return Poll::Ready((subscription.partition, delivered));
            }
        }
        Poll::Pending
    }

    fn contains(&self, partition: u16) -> bool {
        self.subscriptions.iter().any(|open| open.partition == partition)
    }

    fn remove(&mut self, partition: u16) -> Option<Subscription> {
        let position = self.subscriptions.iter().position(|open| open.partition == partition)?;
        Some(self.subscriptions.remove(position))
    }
}

/// Resolves when the assignment changes; never after its sender has ended.
pub(super) async fn changed(assignment: &mut Assignment) {
    if assignment.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Consumer for PartitionConsumer {
    async fn next(&mut self) -> Vec<Delivery> {
        let mut delivered = vec![self.first().await];
        let BatchLimit { messages, bytes } = self.source.batch;
        let mut taken = delivered.iter().map(|(_, first)| first.data.len()).sum::<usize>();
        while delivered.len() < messages && taken < bytes {
            match poll_fn(|context| self.open.poll(context)).now_or_never() {
                Some((partition, Ok(another))) => {
                    taken += another.data.len();
                    delivered.push((partition, another));
                }
                Some((partition, Err(reason))) => self.ended(partition, &reason),
                None => break,
            }
        }
        self.in_flight = delivered.iter().map(|(partition, one)| (*partition, one.acker.clone())).collect();
        delivered.into_iter().map(|(_, one)| delivery(one)).collect()
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        let acks = std::mem::take(&mut self.in_flight).into_iter().map(async |(partition, acker)| {
            // `Ok(false)` means that the channel is closed.
            let acked = within(acker.ack(BasicAckOptions { multiple: true })).await;
            (!matches!(acked, Ok(true))).then_some(partition)
        });
        let failed: Vec<_> = join_all(acks).await.into_iter().flatten().collect();
        for partition in &failed {
            self.open_again(*partition);
        }
        if failed.is_empty() { Ok(()) } else { Err(NotAcked) }
    }

    async fn requeue(&mut self) {
        for (partition, acker) in std::mem::take(&mut self.in_flight) {
            if !give_back(&acker).await {
                self.open_again(partition);
            }
        }
    }

    async fn close(mut self: Box<Self>) {
        self.requeue().await;
        for open in std::mem::take(&mut self.open.subscriptions) {
            self.draining.spawn(open.drain());
        }
        while self.draining.join_next().await.is_some() {}
        // Before the channels are dropped, see `Link::close`.
        self.source.link.end().await;
        self.opening.shutdown().await;
    }
}
