//! What surrounds every request, known caller or not: a place among the requests in hand, a deadline, patience with those who
//! fail, its span, and the log. It must never look into a body, nor let an answer leave without its log line.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{Client, RequestLine};
use tracing::Instrument as _;

use crate::ingress::Ingress;
use crate::overload::Overload;
use crate::problem::Problem;

/// The way of every request.
pub(crate) async fn around(
    State(ingress): State<Arc<Ingress>>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = Client::of(&request, &ingress.settings.trusted_proxies);
    let line = RequestLine::begin(&request, client.address);
    let span = line.span(request.headers(), ingress.settings.trust_traceparent);
    request.extensions_mut().insert(client);
    let response = async { line.write(in_time(&ingress, request, next).await) }.instrument(span).await;
    ingress.failures.hold_back(client.address, &response).await;
    response
}

/// The answer, or 503: at once when too many requests are in hand, and at the deadline when one hangs.
async fn in_time(ingress: &Ingress, request: Request, next: Next) -> Response {
    let Ok(_place) = ingress.places.try_acquire() else { return Overload::Requests.refuse().into_response() };
    let deadline = Duration::from_secs(ingress.settings.request_timeout_s);
    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::hung().into_response())
}
