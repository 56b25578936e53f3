//! The span of a request. It must never hold more than its log line: names of routes, numbers, our own words.

use axum::http::{HeaderMap, Method};
use careq_shared::telemetry::traces::{self, SPAN, TRACEPARENT, TraceContext};
use tracing::Span;

use crate::header::single;

/// The methods that a span or a log line names; what a client makes up as a method could be anything.
const KNOWN: [Method; 7] =
    [Method::GET, Method::POST, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The word for a method.
pub(crate) fn method(method: &Method) -> &str {
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

/// The span of a whole request, which begins a trace, or goes on with the caller's where that is trusted.
pub(crate) fn request(headers: &HeaderMap, method: &str, route: Option<&str>, is_trusted: bool) -> Span {
    let span = tracing::info_span!(
        target: SPAN,
        parent: None,
        "request",
        otel.name = format!("{method} {}", route.unwrap_or_default()),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        clinic_id = tracing::field::Empty,
        careq_id = tracing::field::Empty,
    );
    if is_trusted && !span.is_disabled() {
        let callers = single(headers, TRACEPARENT).ok().flatten();
        if let Some(place) = callers.and_then(TraceContext::read) {
            traces::continued(&span, &place);
        }
    }
    span
}

/// Notes the answer in the span of its request.
pub(crate) fn answered(status: u16, clinic_id: Option<&str>, careq_id: Option<i64>) {
    let span = Span::current();
    span.record("http.response.status_code", i64::from(status));
    clinic_id.map(|clinic_id| span.record("clinic_id", clinic_id));
    careq_id.map(|careq_id| span.record("careq_id", careq_id));
    // A refusal is the caller's error, not the request's (semantic conventions for HTTP servers).
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}
