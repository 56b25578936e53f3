//! The request log and the error log (API specification, "Logging Requirements"): one line a request, and one more for an error
//! that somebody may have to look into. A line must never hold more than names of routes and clinics, numbers, our own
//! sentences, and the shape of a payload.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;

use crate::problem::Explanation;

/// Put beside an answer for its log line.
#[derive(Debug, Clone)]
pub(crate) struct ClinicId(pub(crate) String);

/// The same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CareqId(pub(crate) i64);

/// A line that waits for its answer.
#[derive(Debug)]
pub(crate) struct RequestLine {
    began_at: Instant,
    method: Method,
    route: Option<MatchedPath>,
}

impl RequestLine {
    pub(crate) fn begin(request: &Request) -> Self {
        Self {
            began_at: Instant::now(),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }

    pub(crate) fn write(self, mut response: Response) -> Response {
        let explanation = response.extensions_mut().remove::<Explanation>();
        let extensions = response.extensions();
        let clinic_id = extensions.get::<ClinicId>().map(|clinic| clinic.0.as_str());
        let careq_id = extensions.get::<CareqId>().map(|careq_id| careq_id.0);
        let careq_id = careq_id.or_else(|| explanation.as_ref()?.careq_id);
        // What a client makes up as a path or a method could be anything.
        let endpoint = self.route.as_ref().map(MatchedPath::as_str);
        let method = if is_known(&self.method) { self.method.as_str() } else { "other" };
        let status = response.status().as_u16();
        let duration_ms = u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(method, endpoint, clinic_id, careq_id, status, duration_ms, "request");
        if let Some(explanation) = &explanation {
            explain(endpoint, clinic_id, careq_id, status, explanation);
        }
        response
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
    let (code, cause, payload) = (code.as_str(), cause.as_deref(), payload.as_deref());
    if status >= 500 {
        tracing::error!(
            endpoint,
            clinic_id,
            careq_id,
            status,
            code,
            reason,
            details,
            cause,
            payload,
            "request failed"
        );
    } else {
        tracing::warn!(
            endpoint,
            clinic_id,
            careq_id,
            status,
            code,
            reason,
            details,
            cause,
            payload,
            "request refused"
        );
    }
}

fn is_known(method: &Method) -> bool {
    [Method::GET, Method::POST, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        .contains(method)
}
