//! A consumer with a connection and a channel of its own, and one batch in flight. Acknowledgements use `multiple` on
//! the last delivery of the batch. They cover only this batch, because the channel delivers nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as LapinDelivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel};

use tokio::task::JoinHandle;

use super::link::{Link, LinkError, within};
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::broker::port::{BatchLimit, Consumer, Delivery, NotAcked, Queue};
use crate::ignore;
use crate::trace_context::{TRACEPARENT, TraceContext};

pub(super) struct QueueConsumer {
    source: Arc<Source>,
    opening: Option<JoinHandle<Session>>,
    session: Option<Session>,
    in_flight: Option<Acker>,
}

/// The parameters of a session.
pub(super) struct Source {
    pub(super) link: Arc<Link>,
    pub(super) topology: Arc<Topology>,
    pub(super) queue: Queue,
    /// The limits of a batch.
    pub(super) batch: BatchLimit,
    /// The index of consumers that this process opened before.
    pub(super) index: i32,
}

struct Session {
    channel: Channel,
    deliveries: lapin::Consumer,
    /// Whether the server has ended the consumer. Earlier deliveries can still be settled.
    has_ended: bool,
}

impl Source {
    /// Opens a session, in place of one that has ended, and retries without limit.
    async fn open(self: Arc<Self>, ended: Option<Session>) -> Session {
        let mut backoff = Backoff::default();
        if ended.is_some() {
            // A server that ends every consumer at once is asked only after a delay.
            backoff.wait().await;
        }
        self.link.close(ended).await;
        loop {
            match self.try_open().await {
                Ok(session) => return session,
                Err(reason) => {
                    let (broker, queue) = (self.link.address(), self.queue.as_str());
                    tracing::warn!(broker, queue, %reason, "RabbitMQ cannot be read; trying again");
                    backoff.wait().await;
                }
            }
        }
    }

    /// Two batches: the one in work and the next. The size of the messages is limited by the publishers, see
    /// [`Queue::for_webhook`].
    fn prefetch(&self) -> u16 {
        u16::try_from(self.batch.messages * 2).unwrap_or(u16::MAX)
    }

    /// RabbitMQ fills consumers of higher priority first, instead of round robin. Messages of one booking, which are
    /// often adjacent, therefore stay together, and a child seldom waits for a parent in another consumer (RabbitMQ
    /// manual, "Consumer Priorities"). Each process counts from the same index, so each gets its part. Batches are
    /// not related to each other and need no priority.
    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if self.queue == Queue::Live {
            arguments.insert("x-priority".into(), AMQPValue::LongInt(self.index.wrapping_neg()));
        }
        arguments
    }

    async fn try_open(&self) -> Result<Session, LinkError> {
        let channel = self.link.channel().await?;
        match self.consume(&channel).await {
            Ok(deliveries) => Ok(Session { channel, deliveries, has_ended: false }),
            Err(reason) => {
                // lapin 4.12 does not close a channel if its `basic.consume` is dropped before RabbitMQ has answered.
                // RabbitMQ then delivers messages to no one; they are free when the connection ends.
                self.link.close(channel).await;
                Err(reason)
            }
        }
    }

    async fn consume(&self, channel: &Channel) -> Result<lapin::Consumer, LinkError> {
        within(self.topology.declare(channel, self.queue)).await?;
        within(channel.basic_qos(self.prefetch(), BasicQosOptions::default())).await?;
        let consuming = channel.basic_consume(
            self.topology.name(self.queue).into(),
            "".into(),
            BasicConsumeOptions::default(),
            self.arguments(),
        );
        within(consuming).await
    }
}

impl Session {
    /// Cancels the consumer. Prefetched messages are returned by `nack`, which newer versions do not count as an
    /// attempt; closing the channel would count.
    async fn drain(&mut self) {
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
        ignore(within(self.channel.close(200, "drained".into())).await, "the connection is closed next");
    }
}

impl QueueConsumer {
    pub(super) fn new(source: Source) -> Self {
        Self { source: Arc::new(source), opening: None, session: None, in_flight: None }
    }

    /// Returns the session. A task opens it, because a dropped half-open consumer would hold messages.
    async fn opened(&mut self) -> &mut Session {
        if self.session.as_ref().is_none_or(|session| session.has_ended) {
            let (source, ended) = (Arc::clone(&self.source), self.session.take());
            let opening = self.opening.get_or_insert_with(|| tokio::spawn(source.open(ended)));
            let opened = opening.await;
            self.opening = None;
            self.session = match opened {
                Ok(session) => Some(session),
                Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
                Err(_) => None,
            };
        }
        match self.session.as_mut() {
            Some(session) => session,
            // A task is cancelled only while the process ends.
            None => std::future::pending().await,
        }
    }

    /// Waits for the first message without a timeout.
    async fn first(&mut self) -> LapinDelivery {
        let queue = self.source.queue.as_str();
        loop {
            let session = self.opened().await;
            match session.deliveries.next().await {
                Some(Ok(delivered)) => return delivered,
                Some(Err(reason)) => tracing::warn!(queue, %reason, "reading from RabbitMQ was interrupted"),
                None => tracing::warn!(queue, "RabbitMQ ended the consumer; it is opened again"),
            }
            session.has_ended = true;
        }
    }

    /// The next message, if it has arrived.
    fn another(&mut self) -> Option<LapinDelivery> {
        let session = self.session.as_mut().filter(|session| !session.has_ended)?;
        let delivered = session.deliveries.next().now_or_never()?.and_then(Result::ok);
        // lapin reports the end once; the session is replaced when this batch is settled.
        session.has_ended = delivered.is_none();
        delivered
    }

    /// Marks the session for replacement.
    fn replace_session(&mut self) {
        if let Some(session) = self.session.as_mut() {
            session.has_ended = true;
        }
    }
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Vec<Delivery> {
        let mut delivered = vec![self.first().await];
        let BatchLimit { messages, bytes } = self.source.batch;
        let mut taken = delivered.iter().map(|first| first.data.len()).sum::<usize>();
        while delivered.len() < messages
            && taken < bytes
            && let Some(another) = self.another()
        {
            taken += another.data.len();
            delivered.push(another);
        }
        self.in_flight = delivered.last().map(|last| last.acker.clone());
        delivered.into_iter().map(delivery).collect()
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        let Some(acker) = self.in_flight.take() else { return Ok(()) };
        // `Ok(false)` means that the channel is closed.
        if matches!(within(acker.ack(BasicAckOptions { multiple: true })).await, Ok(true)) {
            return Ok(());
        }
        self.replace_session();
        Err(NotAcked)
    }

    async fn requeue(&mut self) {
        let Some(acker) = self.in_flight.take() else { return };
        if !give_back(&acker).await {
            self.replace_session();
        }
    }

    async fn close(mut self: Box<Self>) {
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
        self.requeue().await;
        let Some(mut session) = self.session.take() else { return };
        if !session.has_ended {
            session.drain().await;
        }
        self.source.link.end().await;
    }
}

async fn give_back(acker: &Acker) -> bool {
    let options = BasicNackOptions { multiple: true, requeue: true };
    matches!(within(acker.nack(options)).await, Ok(true))
}

fn delivery(delivered: LapinDelivery) -> Delivery {
    let headers = delivered.properties.headers().as_ref().map(FieldTable::inner);
    let counted = headers.and_then(|headers| headers.get("x-delivery-count")).map(count);
    let redeliveries = counted.unwrap_or_else(|| u32::from(delivered.redelivered));
    let trace = headers.and_then(|headers| headers.get(TRACEPARENT)).and_then(trace);
    Delivery { body: delivered.data.into(), redeliveries, trace }
}

fn trace(value: &AMQPValue) -> Option<TraceContext> {
    let AMQPValue::LongString(traceparent) = value else { return None };
    TraceContext::read(str::from_utf8(traceparent.as_bytes()).ok()?)
}

/// The number of earlier deliveries, in any integer type. A value that cannot be read counts as the highest number, so
/// that a message that ends the process is still tried alone.
fn count(value: &AMQPValue) -> u32 {
    let count = match value {
        AMQPValue::ShortShortInt(count) => Some(i64::from(*count)),
        AMQPValue::ShortShortUInt(count) => Some(i64::from(*count)),
        AMQPValue::ShortInt(count) => Some(i64::from(*count)),
        AMQPValue::ShortUInt(count) => Some(i64::from(*count)),
        AMQPValue::LongInt(count) => Some(i64::from(*count)),
        AMQPValue::LongUInt(count) => Some(i64::from(*count)),
        AMQPValue::LongLongInt(count) => Some(*count),
        _ => None,
    };
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or_else(|| {
        let reason = format!("a {:?} that is not from 0 to {}", value.get_type(), u32::MAX);
        tracing::warn!(reason, "x-delivery-count cannot be read; the message is tried alone");
        u32::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_count_is_read_in_every_integer_type() {
        for value in [
            AMQPValue::ShortShortInt(7),
            AMQPValue::ShortShortUInt(7),
            AMQPValue::ShortInt(7),
            AMQPValue::ShortUInt(7),
            AMQPValue::LongInt(7),
            AMQPValue::LongUInt(7),
            AMQPValue::LongLongInt(7),
        ] {
            assert_eq!(count(&value), 7, "{value:?}");
        }
    }

    #[test]
    fn a_delivery_count_that_cannot_be_read_is_not_zero() {
        for value in [
            AMQPValue::LongLongInt(-1),
            AMQPValue::LongLongInt(i64::MAX),
            AMQPValue::LongString("7".into()),
            AMQPValue::Void,
        ] {
            assert_eq!(count(&value), u32::MAX, "{value:?}");
        }
    }
}
