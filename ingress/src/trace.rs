//! The spans of the stages in which a request waits. They hold fixed words only.

use careq_shared::telemetry::traces::SPAN;
use tracing::Span;

/// The span of reading a body; the client decides how long it takes.
pub(crate) fn receive() -> Span {
    tracing::info_span!(target: SPAN, "receive")
}

/// The span of waiting for a permit of [`crate::batch_admission`].
pub(crate) fn admission() -> Span {
    tracing::info_span!(target: SPAN, "turn")
}

/// The span of a publish until the broker's confirm. The worker's spans are its children.
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
