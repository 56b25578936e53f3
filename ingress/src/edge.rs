//! What surrounds every request, known caller or not: a place among the requests in hand, a deadline, patience with those who
//! fail, its span, and the log. It must never look into a body, nor let an answer leave without its log line.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use crate::authenticate::{self, Client, Peer};
use crate::ingress::Ingress;
use crate::log::RequestLine;
use crate::problem::Problem;

/// The way of every request.
pub(crate) async fn around(
    State(ingress): State<Arc<Ingress>>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = client(&ingress, &request);
    let line = RequestLine::begin(&request, client.address);
    let span = line.span(request.headers(), ingress.settings.trust_traceparent);
    request.extensions_mut().insert(client);
    let response = async { line.write(in_time(&ingress, request, next).await) }.instrument(span).await;
    hold_back_failures(&ingress, client, response.status()).await;
    response
}

fn client(ingress: &Ingress, request: &Request) -> Client {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    authenticate::client(peer, request.headers(), &ingress.settings.trusted_proxies)
}

/// The answer, or 503: at once when too many requests are in hand, and at the deadline when one hangs.
async fn in_time(ingress: &Ingress, request: Request, next: Next) -> Response {
    let Ok(_place) = ingress.places.try_acquire() else { return Problem::overloaded().into_response() };
    let deadline = Duration::from_secs(ingress.settings.request_timeout_s);
    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::hung().into_response())
}

/// Outside of its place: whoever waits here holds up nobody.
async fn hold_back_failures(ingress: &Ingress, client: Client, status: StatusCode) {
    if status == StatusCode::UNAUTHORIZED {
        let delay = ingress.failures.note(client.address);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}
