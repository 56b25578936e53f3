//! One lane: a channel of its own with one batch in flight. `multiple` must never cover a batch that has not committed,
//! so it always goes through the last delivery of the batch, whose channel is the batch's own.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as Delivered;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel};

use super::link::{Link, LinkError, within};
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::broker::{Consumer, Delivery, NotAcked, Queue};

pub(super) struct QueueConsumer {
    link: Arc<Link>,
    topology: Arc<Topology>,
    queue: Queue,
    batch: usize,
    backoff: Backoff,
    session: Option<Session>,
    in_flight: Option<Acker>,
}

struct Session {
    channel: Channel,
    deliveries: lapin::Consumer,
}

impl QueueConsumer {
    pub(super) fn new(link: Arc<Link>, topology: Arc<Topology>, queue: Queue, batch: usize) -> Self {
        Self { link, topology, queue, batch, backoff: Backoff::default(), session: None, in_flight: None }
    }

    async fn open(&self) -> Result<Session, LinkError> {
        let channel = self.link.channel().await?;
        within(self.topology.declare(&channel)).await?;
        // The next batch is on its way while this one is worked on, and no more than that.
        let prefetch = u16::try_from(self.batch * 2).unwrap_or(u16::MAX);
        within(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let consuming = channel.basic_consume(
            self.topology.name(self.queue).into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = within(consuming).await?;
        Ok(Session { channel, deliveries })
    }

    /// Opens a session, however long it takes.
    async fn reopen(&mut self) -> Session {
        loop {
            match self.open().await {
                Ok(session) => {
                    self.backoff.reset();
                    return session;
                }
                Err(reason) => {
                    let (broker, queue) = (self.link.address(), self.queue.as_str());
                    tracing::warn!(broker, queue, %reason, "RabbitMQ cannot be read; trying again");
                    self.backoff.wait().await;
                }
            }
        }
    }

    /// The first message, however long it takes.
    async fn first(&mut self) -> Delivered {
        let queue = self.queue.as_str();
        loop {
            let session = match self.session.take() {
                Some(session) => session,
                None => self.reopen().await,
            };
            // Kept where the next call finds it, should this future be dropped while it waits.
            match self.session.insert(session).deliveries.next().await {
                Some(Ok(delivered)) => return delivered,
                Some(Err(reason)) => tracing::warn!(queue, %reason, "reading from RabbitMQ was interrupted"),
                None => tracing::warn!(queue, "RabbitMQ ended the consumer; it is made anew"),
            }
            self.session = None;
        }
    }

    /// A message that is there already.
    fn another(&mut self) -> Option<Delivered> {
        self.session.as_mut()?.deliveries.next().now_or_never()??.ok()
    }

    async fn give_back(acker: &Acker) -> bool {
        let options = BasicNackOptions { multiple: true, requeue: true };
        matches!(within(acker.nack(options)).await, Ok(true))
    }
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Vec<Delivery> {
        let mut delivered = vec![self.first().await];
        while delivered.len() < self.batch
            && let Some(another) = self.another()
        {
            delivered.push(another);
        }
        self.in_flight = delivered.last().map(|last| last.acker.clone());
        delivered.into_iter().map(delivery).collect()
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        let Some(acker) = self.in_flight.take() else { return Ok(()) };
        // `Ok(false)` says that the channel is gone: not acknowledged.
        if matches!(within(acker.ack(BasicAckOptions { multiple: true })).await, Ok(true)) {
            return Ok(());
        }
        self.session = None;
        Err(NotAcked)
    }

    async fn requeue(&mut self) {
        let Some(acker) = self.in_flight.take() else { return };
        if !Self::give_back(&acker).await {
            self.session = None;
        }
    }

    async fn close(mut self: Box<Self>) {
        self.requeue().await;
        let Some(mut session) = self.session.take() else { return };
        let cancelled = session.channel.basic_cancel(session.deliveries.tag(), BasicCancelOptions::default());
        if within(cancelled).await.is_err() {
            return;
        }
        // What was prefetched and never started goes back by `nack`, which newer versions do not count as an attempt;
        // the end of a channel would be counted.
        let mut last = None;
        while let Some(Some(Ok(delivered))) = session.deliveries.next().now_or_never() {
            last = Some(delivered.acker);
        }
        if let Some(acker) = last {
            Self::give_back(&acker).await;
        }
        within(session.channel.close(200, "drained".into())).await.unwrap_or_default();
    }
}

fn delivery(delivered: Delivered) -> Delivery {
    let counted = delivered
        .properties
        .headers()
        .as_ref()
        .and_then(|headers| headers.inner().get("x-delivery-count"))
        .and_then(count);
    let redeliveries = counted.unwrap_or_else(|| u32::from(delivered.redelivered));
    Delivery { body: delivered.data.into(), redeliveries }
}

fn count(value: &AMQPValue) -> Option<u32> {
    match value {
        AMQPValue::LongLongInt(count) => u32::try_from(*count).ok(),
        AMQPValue::LongInt(count) => u32::try_from(*count).ok(),
        AMQPValue::LongUInt(count) => Some(*count),
        AMQPValue::ShortInt(count) => u32::try_from(*count).ok(),
        AMQPValue::ShortShortInt(count) => u32::try_from(*count).ok(),
        AMQPValue::ShortShortUInt(count) => Some(u32::from(*count)),
        _ => None,
    }
}
