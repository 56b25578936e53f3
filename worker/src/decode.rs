//! Bytes into requests. Undecodable bytes must never hold up the messages beside them: they are kept as dead letters.

use std::sync::Arc;

use bytes::Bytes;
use careq_shared::broker::{Delivery, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::event::Event;
use careq_shared::message::{self, Batch, Content, Message, ReplyTo};
use tracing::Span;
use uuid::Uuid;

use crate::observe;

/// A message that was given back so often is suspected of bringing workers down, and is tried by itself.
const SUSPICIOUS_REDELIVERIES: u32 = 3;

/// What a batch of deliveries says.
pub(crate) struct Taken {
    pub(crate) requests: Vec<Request>,
    pub(crate) undecodable: Vec<Bytes>,
}

/// One message.
pub(crate) struct Request {
    pub(crate) reply_to: Option<ReplyTo>,
    pub(crate) events: Vec<Arc<Event>>,
    /// How large its message was.
    pub(crate) bytes: usize,
    pub(crate) is_redelivered: bool,
    pub(crate) suspicious: bool,
    pub(crate) batch: Membership,
    /// The replay job that published it.
    pub(crate) replay: Option<Uuid>,
    /// In the trace of whoever published it.
    pub(crate) span: Span,
}

/// Whether a request is a batch, and which.
pub(crate) enum Membership {
    Single,
    Batch(Batch),
    /// Its `batch_id` belongs to a batch with other content; none of its events are applied.
    Conflicting,
    /// It could not be noted; its events are dead letters.
    Unnoted,
}

/// Reads each, and lets go of its bytes.
pub(crate) fn each(queue: Queue, deliveries: Vec<Delivery>) -> Taken {
    crash_point::reached(CrashPoint::Taken);
    let mut taken = Taken { requests: Vec::with_capacity(deliveries.len()), undecodable: Vec::new() };
    for delivery in deliveries {
        match message::decode::<Message>(&delivery.body) {
            Ok(message) => {
                let span = observe::message(delivery.trace.as_ref(), queue);
                taken.requests.push(request(message, queue, &delivery, span));
            }
            Err(_) => taken.undecodable.push(delivery.body),
        }
    }
    taken
}

/// What the broker gave up on has been given back more often than any limit.
fn is_suspicious(queue: Queue, delivery: &Delivery) -> bool {
    queue == Queue::Dead || delivery.redeliveries >= SUSPICIOUS_REDELIVERIES
}

fn request(message: Message, queue: Queue, delivery: &Delivery, span: Span) -> Request {
    let (events, batch, replay) = match message.content {
        Content::Event(event) => (vec![Arc::from(event)], Membership::Single, None),
        // Its events are stamped when it is admitted.
        Content::Batch(batch) => (Vec::new(), Membership::Batch(batch), None),
        Content::Replay(replay) => {
            (replay.events.into_iter().map(Arc::new).collect(), Membership::Single, Some(replay.job_id))
        }
    };
    let (is_redelivered, suspicious) = (delivery.redeliveries > 0, is_suspicious(queue, delivery));
    let (reply_to, bytes) = (message.reply_to, delivery.body.len());
    Request { reply_to, events, bytes, is_redelivered, suspicious, batch, replay, span }
}
