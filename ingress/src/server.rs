//! The routes of the API and their server. The router has no state: a handler reaches the ingress through its caller only.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use careq_http::{ApiError, CallerRouter, catch_panics, described};
use careq_shared::outcome::ErrorCode;
use careq_shared::records::{Kind, Limits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::authenticate::Authenticated;
use crate::middleware::{auth, request};
use crate::paths::API;
use crate::state::Ingress;
use crate::{batch, openapi, status, webhook};

/// Serves until `shutdown`, then finishes the requests in flight.
pub async fn run(listener: TcpListener, ingress: Arc<Ingress>, shutdown: CancellationToken) {
    careq_http::serve(listener, router(&ingress), ingress.connection_limits(), shutdown).await;
}

fn router(ingress: &Arc<Ingress>) -> Router {
    let (api, document) = api(ingress.settings.record_limits()).into_parts();
    let api = api
        // Before the layers, so that a request with a wrong method is authenticated, too.
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        // One tuple, since each separate layer clones a box per request.
        .layer((from_fn_with_state(Arc::clone(ingress), auth::handle), catch_panics()));
    // The description holds no data of a clinic, and CareQ needs it before it has a token.
    let documentation = careq_http::documentation("/docs", "/openapi.json", &openapi::document(document));
    Router::new()
        .nest(API, api)
        .merge(documentation.method_not_allowed_fallback(|| async { ApiError::method_not_allowed() }))
        .fallback(|| async {
            let message = "There is no such path; the API begins at /api/v1/careq-sync/";
            ApiError::new(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest.as_str(), message)
        })
        .layer((from_fn_with_state(Arc::clone(ingress), request::handle), catch_panics()))
}

/// Each route with its description.
fn api(limits: Limits) -> CallerRouter {
    let webhooks = [
        ("/patient", Kind::Patient),
        ("/doctor", Kind::Doctor),
        ("/service", Kind::Service),
        ("/appointment", Kind::Appointment),
        ("/appointment/status", Kind::Status),
        ("/appointment/cancel", Kind::Cancel),
    ];
    let router = CallerRouter::new(OpenApi::default());
    let with_webhook = |router: CallerRouter, (path, kind)| {
        let handler = move |caller: Authenticated, request: Request| webhook::accept(kind, caller, request);
        router.post(path, openapi::webhook(kind, limits), handler)
    };
    webhooks
        .into_iter()
        .fold(router, with_webhook)
        .post("/batch", openapi::batch(), batch::accept)
        .with(described!(status::batch::handle))
        .with(described!(status::event::handle))
        .with(described!(status::record::handle))
        .with(described!(status::health::handle))
}
