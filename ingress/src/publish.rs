//! Hands a message to the broker and returns when the broker has confirmed it. Nothing may be answered as accepted before.

use std::time::Instant;

use careq_shared::broker::{PublishError, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::event::Event;
use careq_shared::message::{self, Content, Entry, Message};
use careq_shared::telemetry::metrics::{ByKind, ByQueue, Refused, metrics};
use tracing::Instrument as _;

use crate::ingress::Ingress;
use crate::problem::Problem;
use crate::trace;

/// Publishes; when this returns `Ok`, the message survives whatever happens to this process.
pub(crate) async fn confirmed(ingress: &Ingress, queue: Queue, message: &Message) -> Result<(), Problem> {
    let body =
        message::encode(message).map_err(|_| Problem::server_error("The event could not be written"))?;
    crash_point::reached(CrashPoint::Validated);
    let began_at = Instant::now();
    let publishing = ingress.broker.publish(queue, body.into()).instrument(trace::publish(queue.as_str()));
    match tokio::time::timeout(ingress.publish_timeout, publishing).await {
        Ok(Ok(())) => {
            crash_point::reached(CrashPoint::Confirmed);
            count(queue, message, began_at);
            Ok(())
        }
        Ok(Err(reason)) => {
            count_unconfirmed(queue, reason);
            Err(Problem::unavailable().because(&reason))
        }
        Err(late) => {
            count_unconfirmed(queue, PublishError::TimedOut);
            Err(Problem::unavailable().because(&late))
        }
    }
}

fn count(queue: Queue, message: &Message, began_at: Instant) {
    let label = ByQueue { queue: queue.as_str() };
    metrics().confirm_duration.get_or_create(&label).observe(began_at.elapsed().as_secs_f64());
    let accepted = |event: &Event| {
        metrics().accepted_events.get_or_create(&ByKind { kind: event.kind().as_str() }).inc();
    };
    match &message.content {
        Content::Event(event) => accepted(event),
        // A worker's own, of events that were accepted before.
        Content::Replay(_) => {}
        Content::Batch(batch) => {
            for entry in &batch.entries {
                if let Entry::Accepted(event) = entry {
                    accepted(event);
                }
            }
        }
    }
}

fn count_unconfirmed(queue: Queue, reason: PublishError) {
    let label = Refused { queue: queue.as_str(), reason: reason.as_str() };
    metrics().unconfirmed_messages.get_or_create(&label).inc();
}
