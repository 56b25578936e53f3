//! Middleware of every request, authenticated or not: the limit of requests in flight, the deadline, the delay of repeated
//! authentication failures, the span, and the request log.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{ApiError, Client, RequestLog};
use tracing::Instrument as _;

use crate::response::error::{self, Overload};
use crate::state::Ingress;

/// Handles one request within the limits and logs its answer.
pub(crate) async fn handle(
    State(ingress): State<Arc<Ingress>>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = Client::from_request(&request, &ingress.settings.trusted_proxies);
    let log = RequestLog::start(&request, client.address);
    let span = log.span(request.headers(), ingress.settings.trust_traceparent);
    request.extensions_mut().insert(client);
    let response = async { log.finish(within_limits(&ingress, request, next).await) }.instrument(span).await;
    ingress.auth_failures.delay_response(client.address, &response).await;
    response
}

/// The answer, or 503: at once if `ingress.max_requests` are in flight, and at the deadline.
async fn within_limits(ingress: &Ingress, request: Request, next: Next) -> Response {
    let Ok(_slot) = ingress.request_slots.try_acquire() else {
        return error::overloaded(Overload::Requests).into_response();
    };
    let deadline = Duration::from_secs(ingress.settings.request_timeout_s);
    let response = tokio::time::timeout(deadline, next.run(request)).await;
    // The event may have been accepted; a retry is then recognised as a duplicate.
    let timed_out = || ApiError::unavailable("The request took too long; please send it again");
    response.unwrap_or_else(|_| timed_out().with_cause("the request did not end in time").into_response())
}
