//! Decodes messages. Undecodable bytes become dead letters and do not affect the other messages.

use std::sync::Arc;

use bytes::Bytes;
use careq_shared::broker::{Delivery, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::message::{self, Content, Message};
use tracing::Span;

use crate::item::{Membership, Request};
use crate::observe;

/// A message that was redelivered so often may crash workers: its events are tried alone.
const SUSPICIOUS_REDELIVERIES: u32 = 3;

/// The content of a batch of deliveries.
pub(super) struct Taken {
    pub(crate) requests: Vec<Request>,
    pub(crate) undecodable: Vec<Bytes>,
}

/// Decodes each delivery and drops its bytes.
pub(super) fn each(queue: Queue, deliveries: Vec<Delivery>) -> Taken {
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

/// The dead queue holds messages beyond the broker's delivery limit.
fn is_suspicious(queue: Queue, delivery: &Delivery) -> bool {
    queue == Queue::Dead || delivery.redeliveries >= SUSPICIOUS_REDELIVERIES
}

fn request(message: Message, queue: Queue, delivery: &Delivery, span: Span) -> Request {
    let (events, batch, replay) = match message.content {
        Content::Event(event) => (vec![Arc::from(event)], Membership::Single, None),
        // Its events get their acceptance when the batch is registered.
        Content::Batch(batch) => (Vec::new(), Membership::Batch(batch), None),
        Content::Replay(replay) => {
            (replay.events.into_iter().map(Arc::new).collect(), Membership::Single, Some(replay.job_id))
        }
    };
    let (is_redelivered, suspicious) = (delivery.redeliveries > 0, is_suspicious(queue, delivery));
    let (reply_to, bytes) = (message.reply_to, delivery.body.len());
    Request { reply_to, events, bytes, is_redelivered, suspicious, batch, replay, span }
}
