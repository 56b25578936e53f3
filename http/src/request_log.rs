//! The request log and the error log (API specification, "Logging Requirements"), the span of a request, and its metrics. Each
//! request has one line; an error that an operator may have to examine has a second one. They hold routes, clinic ids, admin
//! names, numbers, fixed sentences, the shape of a payload, and the address of a client that failed to authenticate.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use careq_shared::telemetry::metrics::{No, Replied, Routed, metrics};
use careq_shared::telemetry::traces::{self, SPAN, TRACEPARENT, TraceContext};
use tracing::Span;

use crate::error::{ApiError, LogDetails};
use crate::header::single_header;

/// The methods that spans and log lines name. A client can send any other text as a method.
const KNOWN: [Method; 7] =
    [Method::GET, Method::POST, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Response extension: the authenticated clinic.
#[derive(Debug, Clone)]
pub struct ClinicId(pub String);

/// Response extension: the record's `careq_id`.
#[derive(Debug, Clone, Copy)]
pub struct CareqId(pub i64);

/// Response extension of the admin API: the authenticated admin.
#[derive(Debug, Clone)]
pub struct AdminName(pub String);

/// The pending log line of a request. If it is dropped before the answer, the line says that the client disconnected.
#[derive(Debug)]
pub struct RequestLog {
    started_at: Instant,
    method: Method,
    route: Option<MatchedPath>,
    client: IpAddr,
    is_answered: bool,
}

impl RequestLog {
    /// Starts the clock of a request.
    #[must_use]
    pub fn start(request: &Request, client: IpAddr) -> Self {
        Self {
            started_at: Instant::now(),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            client,
            is_answered: false,
        }
    }

    /// The span of the whole request. It starts a trace, or continues the caller's if `traceparent` is trusted.
    #[must_use]
    pub fn span(&self, headers: &HeaderMap, is_trusted: bool) -> Span {
        let (method, route) = (self.method(), self.endpoint());
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

    /// Writes the log lines of the answer and counts it.
    ///
    /// # Panics
    /// Never: the details of an error are always JSON.
    #[must_use]
    pub fn finish(mut self, mut response: Response) -> Response {
        self.is_answered = true;
        let error = response.extensions_mut().remove::<ApiError>();
        let log = response.extensions_mut().remove::<LogDetails>().unwrap_or_default();
        let extensions = response.extensions();
        let clinic_id = extensions.get::<ClinicId>().map(|clinic| clinic.0.as_str());
        let admin = extensions.get::<AdminName>().map(|admin| admin.0.as_str());
        let careq_id = extensions.get::<CareqId>().map(|careq_id| careq_id.0);
        let careq_id = careq_id.or(log.careq_id);
        let (method, endpoint, duration) = (self.method(), self.endpoint(), self.started_at.elapsed());
        let (status, duration_ms) = (response.status().as_u16(), whole_ms(duration));
        record(status, clinic_id, careq_id);
        count(endpoint, status, duration);
        // The clinic is unknown, so the address is the only trace of an attacker or of a wrong token.
        let client = (response.status() == StatusCode::UNAUTHORIZED).then(|| self.client.to_string());
        tracing::info!(method, endpoint, clinic_id, careq_id, admin, status, duration_ms, client, "request");
        if let Some(ApiError { code, message: reason, details, .. }) = error {
            #[expect(clippy::expect_used, reason = "a map from text to lists of texts is always JSON")]
            let details = serde_json::to_string(&details).expect("the details are JSON");
            let LogDetails { cause, payload, .. } = log;
            // The level of a tracing event is a constant.
            macro_rules! line {
                ($level:ident, $message:literal) => {
                    tracing::$level!(
                        endpoint, clinic_id, careq_id, status, code, reason, details, cause, payload,
                        $message
                    )
                };
            }
            if status >= 500 { line!(error, "request failed") } else { line!(warn, "request refused") }
        }
        response
    }

    fn endpoint(&self) -> Option<&str> {
        self.route.as_ref().map(MatchedPath::as_str)
    }

    /// The name of a known method, or `other`.
    fn method(&self) -> &str {
        if KNOWN.contains(&self.method) { self.method.as_str() } else { "other" }
    }
}

/// Records the answer in the current span, which is that of the request.
fn record(status: u16, clinic_id: Option<&str>, careq_id: Option<i64>) {
    let span = Span::current();
    span.record("http.response.status_code", i64::from(status));
    span.record("clinic_id", clinic_id);
    span.record("careq_id", careq_id);
    // A 4xx is an error of the client, not of the server span (OpenTelemetry semantic conventions for HTTP).
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counts an answer. Requests that match no route share the empty endpoint.
fn count(endpoint: Option<&str>, status: u16, duration: Duration) {
    let endpoint = endpoint.unwrap_or("").to_owned();
    metrics()
        .answer_duration
        .get_or_create(&Routed { endpoint: endpoint.clone() })
        .observe(duration.as_secs_f64());
    metrics().answers.get_or_create(&Replied { endpoint, status }).inc();
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if !self.is_answered {
            let (method, endpoint, duration_ms) =
                (self.method(), self.endpoint(), whole_ms(self.started_at.elapsed()));
            metrics().abandoned_requests.get_or_create(&No {}).inc();
            tracing::info!(method, endpoint, duration_ms, "request whose client left before its answer");
        }
    }
}
