//! The request log and the error log (API specification, "Logging Requirements"), and the request metrics. Each request has one line;
//! an error that an operator may have to examine has a second one. Lines hold routes, clinic ids, admin names, numbers, fixed
//! sentences, the shape of a payload, and the address of a client that failed to authenticate.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use careq_shared::telemetry::metrics::{No, Replied, Routed, metrics};
use tracing::Span;

use crate::trace;

/// Response extension: the authenticated clinic.
#[derive(Debug, Clone)]
pub struct ClinicId(pub String);

/// Response extension: the record's `careq_id`.
#[derive(Debug, Clone, Copy)]
pub struct CareqId(pub i64);

/// Response extension of the admin API: the authenticated admin.
#[derive(Debug, Clone)]
pub struct AdminName(pub String);

/// Response extension: the line of the error log.
#[derive(Debug, Clone)]
pub struct ErrorLogEntry {
    /// The error code of the answer.
    pub code: &'static str,
    /// The message of the answer.
    pub reason: String,
    /// The fields that broke a rule, with messages.
    pub details: String,
    /// The internal cause.
    pub cause: Option<String>,
    /// The shape of the payload, without values.
    pub payload: Option<String>,
    /// CareQ's identifier of the record.
    pub careq_id: Option<i64>,
}

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

    /// The span of the request.
    #[must_use]
    pub fn span(&self, headers: &HeaderMap, is_trusted: bool) -> Span {
        trace::request(headers, self.method(), self.endpoint(), is_trusted)
    }

    /// Writes the log lines of the answer and counts it.
    #[must_use]
    pub fn finish(mut self, mut response: Response) -> Response {
        self.is_answered = true;
        let error = response.extensions_mut().remove::<ErrorLogEntry>();
        let extensions = response.extensions();
        let clinic_id = extensions.get::<ClinicId>().map(|clinic| clinic.0.as_str());
        let admin = extensions.get::<AdminName>().map(|admin| admin.0.as_str());
        let careq_id = extensions.get::<CareqId>().map(|careq_id| careq_id.0);
        let careq_id = careq_id.or_else(|| error.as_ref()?.careq_id);
        let (method, endpoint, duration) = (self.method(), self.endpoint(), self.started_at.elapsed());
        let (status, duration_ms) = (response.status().as_u16(), whole_ms(duration));
        trace::answered(status, clinic_id, careq_id);
        count(endpoint, status, duration);
        // The clinic is unknown, so the address is the only trace of an attacker or of a wrong token.
        let client = (response.status() == StatusCode::UNAUTHORIZED).then(|| self.client.to_string());
        tracing::info!(method, endpoint, clinic_id, careq_id, admin, status, duration_ms, client, "request");
        if let Some(error) = &error {
            log_error(endpoint, clinic_id, careq_id, status, error);
        }
        response
    }

    fn endpoint(&self) -> Option<&str> {
        self.route.as_ref().map(MatchedPath::as_str)
    }

    fn method(&self) -> &str {
        trace::method(&self.method)
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

fn log_error(
    endpoint: Option<&str>,
    clinic_id: Option<&str>,
    careq_id: Option<i64>,
    status: u16,
    error: &ErrorLogEntry,
) {
    let ErrorLogEntry { code, reason, details, cause, payload, .. } = error;
    let (code, cause, payload) = (*code, cause.as_deref(), payload.as_deref());
    // The level of a tracing event is a constant.
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                endpoint, clinic_id, careq_id, status, code, reason, details, cause, payload, $message
            )
        };
    }
    if status >= 500 { line!(error, "request failed") } else { line!(warn, "request refused") }
}
