//! What surrounds every request, known caller or not: a place among the requests in hand, a deadline, patience with those who fail,
//! headers, and the log. It must never look into a body, nor let an answer leave without its log line.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{Client, RequestLog};

use super::problem::{OnceMore, Problem};
use super::server::Api;

/// How long a request may take until its answer begins. What it has begun to write is taken back then, unless its commit is on the
/// way already.
const DEADLINE: Duration = Duration::from_secs(30);

/// The way of every request.
pub(super) async fn around(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let client = Client::of(&request, &api.trusted_proxies).address;
    let line = RequestLog::start(&request, client);
    let mut response = line.finish(in_time(&api, request, next).await);
    api.failures.delay_response(client, &response).await;
    // Messages, and what is revealed, must not stay in any cache.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn in_time(api: &Api, request: Request, next: Next) -> Response {
    let Ok(_place) = api.places.try_acquire() else { return Problem::overloaded().into_response() };
    let answer = tokio::time::timeout(DEADLINE, answer(request, next)).await;
    answer.unwrap_or_else(|_| Problem::hung().into_response())
}

/// The answer; of a request that only reads, the second one, where the session with the database was to blame for the first.
async fn answer(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let (parts, _) = request.into_parts();
    let request = || Request::from_parts(parts.clone(), Body::empty());
    let first = next.clone().run(request()).await;
    if first.extensions().get::<OnceMore>().is_none() { first } else { next.run(request()).await }
}
