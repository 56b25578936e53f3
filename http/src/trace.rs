//! The span of a request. It holds what the request log holds: routes, numbers and fixed words.

use axum::http::{HeaderMap, Method};
use careq_shared::telemetry::traces::{self, SPAN, TRACEPARENT, TraceContext};
use tracing::Span;

use crate::header::single_header;

/// The methods that spans and log lines name. A client can send any other text as a method.
const KNOWN: [Method; 7] =
    [Method::GET, Method::POST, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The name of a known method, or `other`.
pub(crate) fn method(method: &Method) -> &str {
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

/// The span of a whole request. It starts a trace, or continues the caller's if `traceparent` is trusted.
pub(crate) fn request(headers: &HeaderMap, method: &str, route: Option<&str>, is_trusted: bool) -> Span {
    let span = tracing::info_span!(
        target: SPAN,
        parent: None,
        "request",
        otel.name = format!("{method} {}", route.unwrap_or("")),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        clinic_id = tracing::field::Empty,
        careq_id = tracing::field::Empty,
    );
    // An invalid `traceparent` starts a new trace (W3C Trace Context, 3.2).
    if is_trusted
        && !span.is_disabled()
        && let Ok(Some(traceparent)) = single_header(headers, TRACEPARENT)
        && let Some(parent) = TraceContext::read(traceparent)
    {
        traces::continued(&span, &parent);
    }
    span
}

/// Records the answer in the current span, which is that of the request.
pub(crate) fn answered(status: u16, clinic_id: Option<&str>, careq_id: Option<i64>) {
    let span = Span::current();
    span.record("http.response.status_code", i64::from(status));
    if let Some(clinic_id) = clinic_id {
        span.record("clinic_id", clinic_id);
    }
    if let Some(careq_id) = careq_id {
        span.record("careq_id", careq_id);
    }
    // A 4xx is an error of the client, not of the server span (OpenTelemetry semantic conventions for HTTP).
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}
