//! The request log and the error log (API specification, "Logging Requirements"): one line a request, and one more for an error
//! that somebody may have to look into; with them the request is counted. A line must never hold more than names of routes, clinics
//! and admins, numbers, the address of a client that proves nothing, our own sentences, and the shape of a payload.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use careq_shared::telemetry::metrics::{No, Replied, Routed, metrics};
use tracing::Span;

use crate::trace;

/// Put beside an answer for its log line.
#[derive(Debug, Clone)]
pub struct ClinicId(pub String);

/// The same.
#[derive(Debug, Clone, Copy)]
pub struct CareqId(pub i64);

/// The same, of a request of the admin API.
#[derive(Debug, Clone)]
pub struct AdminName(pub String);

/// What the error log says of a problem; put beside its answer.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The code of the answer.
    pub code: &'static str,
    /// Its sentence.
    pub reason: String,
    /// The fields that broke a rule, with sentences.
    pub details: String,
    /// Why it happened.
    pub cause: Option<String>,
    /// The shape of what was sent.
    pub payload: Option<String>,
    /// CareQ's number of the record.
    pub careq_id: Option<i64>,
}

/// A line that waits for its answer; if there is none, because the client went away first, it says so.
#[derive(Debug)]
pub struct RequestLine {
    began_at: Instant,
    method: Method,
    route: Option<MatchedPath>,
    client: IpAddr,
    is_answered: bool,
}

impl RequestLine {
    /// Before anything else.
    #[must_use]
    pub fn begin(request: &Request, client: IpAddr) -> Self {
        Self {
            began_at: Instant::now(),
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

    /// With the answer.
    #[must_use]
    pub fn write(mut self, mut response: Response) -> Response {
        self.is_answered = true;
        let explanation = response.extensions_mut().remove::<Explanation>();
        let extensions = response.extensions();
        let clinic_id = extensions.get::<ClinicId>().map(|clinic| clinic.0.as_str());
        let admin = extensions.get::<AdminName>().map(|admin| admin.0.as_str());
        let careq_id = extensions.get::<CareqId>().map(|careq_id| careq_id.0);
        let careq_id = careq_id.or_else(|| explanation.as_ref()?.careq_id);
        let (method, endpoint, duration) = (self.method(), self.endpoint(), self.began_at.elapsed());
        let (status, duration_ms) = (response.status().as_u16(), whole_ms(duration));
        trace::answered(status, clinic_id, careq_id);
        count(endpoint, status, duration);
        // Nobody knows who it was; an operator who looks for an attacker, or for a wrong token, needs the address.
        let client = (response.status() == StatusCode::UNAUTHORIZED).then(|| self.client.to_string());
        tracing::info!(method, endpoint, clinic_id, careq_id, admin, status, duration_ms, client, "request");
        if let Some(explanation) = &explanation {
            explain(endpoint, clinic_id, careq_id, status, explanation);
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

fn count(endpoint: Option<&str>, status: u16, duration: Duration) {
    let endpoint = endpoint.unwrap_or_default().to_owned();
    metrics()
        .answer_duration
        .get_or_create(&Routed { endpoint: endpoint.clone() })
        .observe(duration.as_secs_f64());
    metrics().answers.get_or_create(&Replied { endpoint, status }).inc();
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        if !self.is_answered {
            let (method, endpoint, duration_ms) =
                (self.method(), self.endpoint(), whole_ms(self.began_at.elapsed()));
            metrics().abandoned_requests.get_or_create(&No {}).inc();
            tracing::info!(method, endpoint, duration_ms, "request whose client left before its answer");
        }
    }
}

fn explain(
    endpoint: Option<&str>,
    clinic_id: Option<&str>,
    careq_id: Option<i64>,
    status: u16,
    explanation: &Explanation,
) {
    let Explanation { code, reason, details, cause, payload, .. } = explanation;
    let (code, cause, payload) = (*code, cause.as_deref(), payload.as_deref());
    // A level is a constant of its line.
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                endpoint, clinic_id, careq_id, status, code, reason, details, cause, payload, $message
            )
        };
    }
    if status >= 500 { line!(error, "request failed") } else { line!(warn, "request refused") }
}
