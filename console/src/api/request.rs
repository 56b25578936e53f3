//! The outermost middleware: concurrency limit, timeout, delay of repeated failures, headers, and the log line of each request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{ApiError, Client, RequestLog};

use crate::api::error::RetryOnce;
use crate::api::state::Api;

/// The time until the response begins. On timeout, the request's transaction is rolled back, unless its commit has already been sent.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Handles every request.
pub(crate) async fn handle(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let client = Client::from_request(&request, &api.trusted_proxies).address;
    let line = RequestLog::start(&request, client);
    let mut response = line.finish(within_limits(&api, request, next).await);
    api.failures.delay_response(client, &response).await;
    // Messages and revealed payloads must not stay in a cache.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn within_limits(api: &Api, request: Request, next: Next) -> Response {
    let Ok(_permit) = api.request_permits.try_acquire() else {
        let message = "Too many requests are being worked on; please send the request again";
        return ApiError::unavailable(message).into_response();
    };
    let response = tokio::time::timeout(REQUEST_TIMEOUT, with_retry(request, next)).await;
    response.unwrap_or_else(|_| {
        let message = "The request took too long; look whether it was done, and send it again if not";
        ApiError::unavailable(message).with_cause("the request did not end in time").into_response()
    })
}

/// Retries a GET once if it failed because of its database session. Other methods are not retried.
async fn with_retry(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let (parts, _) = request.into_parts();
    let request = || Request::from_parts(parts.clone(), Body::empty());
    let first = next.clone().run(request()).await;
    if first.extensions().get::<RetryOnce>().is_none() { first } else { next.run(request()).await }
}
