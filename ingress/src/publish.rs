//! Hands a message to the broker and returns when the broker has confirmed it. Nothing may be answered as accepted before.

use std::time::Instant;

use bytes::Bytes;
use careq_shared::broker::{PublishError, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::message::{self, Content, EncodeError, Entry, Message};
use careq_shared::records::Kind;
use careq_shared::telemetry::metrics::{ByKind, ByQueue, Refused, metrics};
use tracing::Instrument as _;

use crate::ingress::Ingress;
use crate::problem::Problem;
use crate::trace;

/// A message as it is published, and the kinds of its events.
#[derive(Debug)]
pub(crate) struct Outgoing {
    body: Bytes,
    kinds: Vec<Kind>,
}

impl Outgoing {
    /// Encodes a message that was made of a body of so many bytes.
    pub(crate) fn new(message: Message, body_bytes: usize) -> Result<Self, Problem> {
        let body = message::encode_within_limit(&message, body_bytes).map_err(|fault| match fault {
            EncodeError::TooLarge => Problem::too_large(),
            EncodeError::Unwritable(_) => Problem::server_error("The event could not be written"),
        })?;
        let kinds = match message.content {
            Content::Event(event) => vec![event.kind()],
            // A worker's own, of events that were accepted before.
            Content::Replay(_) => Vec::new(),
            Content::Batch(batch) => batch.entries.iter().filter_map(accepted).collect(),
        };
        Ok(Self { body: body.into(), kinds })
    }
}

fn accepted(entry: &Entry) -> Option<Kind> {
    match entry {
        Entry::Accepted(event) => Some(event.kind()),
        Entry::Refused(_) => None,
    }
}

/// Publishes; when this returns `Ok`, the message survives whatever happens to this process.
pub(crate) async fn confirmed(ingress: &Ingress, queue: Queue, outgoing: Outgoing) -> Result<(), Problem> {
    let Outgoing { body, kinds } = outgoing;
    crash_point::reached(CrashPoint::Validated);
    let began_at = Instant::now();
    let publishing = ingress.broker.publish(queue, body).instrument(trace::publish(queue.as_str()));
    let reason = match tokio::time::timeout(ingress.publish_timeout, publishing).await {
        Ok(Ok(())) => {
            crash_point::reached(CrashPoint::Confirmed);
            count(queue, &kinds, began_at);
            return Ok(());
        }
        Ok(Err(reason)) => reason,
        Err(_) => PublishError::TimedOut,
    };
    let label = Refused { queue: queue.as_str(), reason: reason.as_str() };
    metrics().unconfirmed_messages.get_or_create(&label).inc();
    Err(match reason {
        PublishError::TooLarge => Problem::too_large(),
        _ => Problem::unavailable(),
    }
    .because(&reason))
}

fn count(queue: Queue, kinds: &[Kind], began_at: Instant) {
    let label = ByQueue { queue: queue.as_str() };
    metrics().confirm_duration.get_or_create(&label).observe(began_at.elapsed().as_secs_f64());
    for kind in kinds {
        metrics().accepted_events.get_or_create(&ByKind { kind: kind.as_str() }).inc();
    }
}
