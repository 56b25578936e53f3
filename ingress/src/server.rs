//! The routes of the API and their server. The router has no state: a handler reaches the ingress through its caller only.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, post};
use axum::{Extension, Router};
use careq_http::{ApiError, catch_panics};
use careq_shared::outcome::ErrorCode;
use careq_shared::records::{Kind, Limits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::path::{HttpMethod, Operation, Paths};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

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
    let (api, document) = api(ingress.settings.record_limits()).split_for_parts();
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
fn api(limits: Limits) -> OpenApiRouter {
    let webhooks = [
        ("/patient", Kind::Patient),
        ("/doctor", Kind::Doctor),
        ("/service", Kind::Service),
        ("/appointment", Kind::Appointment),
        ("/appointment/status", Kind::Status),
        ("/appointment/cancel", Kind::Cancel),
    ];
    let webhook = |(path, kind)| {
        let handler = move |Extension(caller): Extension<Authenticated>, request: Request| {
            webhook::accept(kind, caller, request)
        };
        described(path, openapi::webhook(kind, limits), post(handler))
    };
    webhooks
        .map(webhook)
        .into_iter()
        .fold(OpenApiRouter::new(), OpenApiRouter::routes)
        .routes(described("/batch", openapi::batch(), post(batch::accept)))
        .routes(routes!(status::batch::handle))
        .routes(routes!(status::event::handle))
        .routes(routes!(status::record::handle))
        .routes(routes!(status::health::handle))
}

/// A POST route with its description.
fn described(path: &str, operation: Operation, handler: MethodRouter) -> UtoipaMethodRouter {
    let mut paths = Paths::new();
    paths.add_path_operation(path, vec![HttpMethod::Post], operation);
    (Vec::new(), paths, handler)
}
