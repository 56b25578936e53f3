//! The spans of those stages of a request that take time which is not their own. They must never hold more than our own words.

use careq_shared::telemetry::traces::SPAN;
use tracing::Span;

/// The span of reading a body: its length is the client's doing.
pub(crate) fn receive() -> Span {
    tracing::info_span!(target: SPAN, "receive")
}

/// The span of a batch that waits for its turn.
pub(crate) fn turn() -> Span {
    tracing::info_span!(target: SPAN, "turn")
}

/// The span from the hand-over to the broker until its confirm; the worker's spans are its children.
pub(crate) fn publish(queue: &'static str) -> Span {
    tracing::info_span!(
        target: SPAN,
        "publish",
        otel.kind = "producer",
        messaging.destination.name = queue,
        messaging.operation.type = "send",
    )
}

/// The span of waiting for the worker's result.
pub(crate) fn result() -> Span {
    tracing::info_span!(target: SPAN, "result")
}
