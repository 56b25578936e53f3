//! Publishes a message and waits for the broker's confirm. A request is answered as accepted only after it.

use std::time::Instant;

use bytes::Bytes;
use careq_http::ApiError;
use careq_shared::broker::{PublishError, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::message::{self, Content, EncodeError, Entry, Message};
use careq_shared::records::Kind;
use careq_shared::telemetry::metrics::{ByKind, ByQueue, Refused, metrics};
use careq_shared::telemetry::traces::SPAN;
use tracing::{Instrument as _, info_span};

use crate::receive;
use crate::response::error;
use crate::state::Ingress;

/// Publishes the message of a request body of `body_bytes`. After `Ok`, it is durable and independent of this process.
pub(crate) async fn confirmed(
    ingress: &Ingress,
    queue: Queue,
    clinic_id: &str,
    message: Message,
    body_bytes: usize,
) -> Result<(), ApiError> {
    let (body, kinds) = receive::run_cpu_bound(body_bytes, || encode(message, body_bytes))?;
    crash_point::reached(CrashPoint::Validated);
    let started_at = Instant::now();
    // The worker's spans are its children.
    let span = info_span!(
        target: SPAN,
        "publish",
        otel.kind = "producer",
        messaging.destination.name = queue.as_str(),
        messaging.operation.type = "send",
    );
    let _in_flight = metrics().activity.begin(kinds.len());
    let publishing = ingress.broker.publish(queue, clinic_id, body).instrument(span);
    let reason = match tokio::time::timeout(ingress.publish_timeout, publishing).await {
        Ok(Ok(())) => {
            crash_point::reached(CrashPoint::Confirmed);
            let label = ByQueue { queue: queue.as_str() };
            metrics().confirm_duration.get_or_create(&label).observe(started_at.elapsed().as_secs_f64());
            metrics().activity.events(kinds.len());
            for kind in kinds {
                metrics().accepted_events.get_or_create(&ByKind { kind: kind.as_str() }).inc();
            }
            return Ok(());
        }
        Ok(Err(reason)) => reason,
        Err(_) => PublishError::TimedOut,
    };
    let label = Refused { queue: queue.as_str(), reason: reason.as_str() };
    metrics().unconfirmed_messages.get_or_create(&label).inc();
    Err(match reason {
        PublishError::TooLarge => error::too_large_for_broker(),
        _ => error::broker_unavailable(),
    }
    .with_cause(reason.to_string()))
}

/// The encoded message, and the kinds of its events for the metrics.
fn encode(message: Message, body_bytes: usize) -> Result<(Bytes, Vec<Kind>), ApiError> {
    let body = message::encode_within_limit(&message, body_bytes).map_err(|error| match error {
        EncodeError::TooLarge => error::too_large_for_broker(),
        EncodeError::Unwritable(_) => ApiError::server_error("The event could not be encoded"),
    })?;
    let accepted = |entry: &Entry| match entry {
        Entry::Accepted(event) => Some(event.kind()),
        Entry::Refused(_) => None,
    };
    let kinds = match message.content {
        Content::Event(event) => vec![event.kind()],
        // Published by workers only, for events that were accepted before.
        Content::Replay(_) => Vec::new(),
        Content::Batch(batch) => batch.entries.iter().filter_map(accepted).collect(),
    };
    Ok((body.into(), kinds))
}
