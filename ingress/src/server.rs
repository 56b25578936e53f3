//! The routes of the API and their server. The router takes a handler only with its description and with the caller as its first
//! argument.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use careq_http::{ApiError, catch_panics};
use careq_shared::outcome::ErrorCode;
use careq_shared::records::{Kind, Limits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::authenticate::caller::{ArgumentsWithCaller, Authenticated};
use crate::middleware::{auth, request};
use crate::openapi::{document, operations};
use crate::paths::API;
use crate::state::Ingress;
use crate::{batch, status, webhook};

/// Serves until `shutdown`, then finishes the requests in flight.
pub async fn run(listener: TcpListener, ingress: Arc<Ingress>, shutdown: CancellationToken) {
    careq_http::serve(listener, routes(Arc::clone(&ingress)), ingress.connection_limits(), shutdown).await;
}

fn routes(ingress: Arc<Ingress>) -> Router {
    let (api, paths) = api(ingress.settings.record_limits()).split_for_parts();
    let api = api
        // Before the layers, so that a request with a wrong method is authenticated, too.
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        // One tuple, since each separate layer clones a box per request.
        .layer((
            from_fn_with_state(Arc::clone(&ingress), auth::handle),
            catch_panics(),
        ));
    // The description holds no data of a clinic, and CareQ needs it before it has a token.
    let documentation =
        careq_http::documentation("/docs", "/openapi.json", &document::with_components(paths));
    Router::new()
        .nest(API, api)
        .merge(documentation.method_not_allowed_fallback(|| async { ApiError::method_not_allowed() }))
        .fallback(|| async { unknown_path() })
        .layer((
            from_fn_with_state(Arc::clone(&ingress), request::handle),
            catch_panics(),
        ))
        .with_state(ingress)
}

fn unknown_path() -> ApiError {
    let message = "There is no such path; the API begins at /api/v1/careq-sync/";
    ApiError::new(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest.as_str(), message)
}

/// Each route with its description.
fn api(limits: Limits) -> OpenApiRouter<Arc<Ingress>> {
    let webhooks = [
        ("/patient", Kind::Patient),
        ("/doctor", Kind::Doctor),
        ("/service", Kind::Service),
        ("/appointment", Kind::Appointment),
        ("/appointment/status", Kind::Status),
        ("/appointment/cancel", Kind::Cancel),
    ];
    let webhook = move |(path, kind)| {
        let handler = move |caller: Authenticated, State(ingress): State<Arc<Ingress>>, request: Request| async move {
            webhook::accept(&ingress, kind, &caller, request).await
        };
        document::route(path, operations::webhook(kind, limits), post_of(handler))
    };
    webhooks
        .map(webhook)
        .into_iter()
        .fold(OpenApiRouter::new(), OpenApiRouter::routes)
        .routes(document::route("/batch", operations::batch(), post_of(batch::accept)))
        .routes(document::route(
            "/batch/{batch_id}",
            operations::batch_status(),
            get_of(status::batch::handle),
        ))
        .routes(document::route(
            "/events/{event_id}",
            operations::event_status(),
            get_of(status::event::handle),
        ))
        .routes(document::route(
            "/status/{kind}/{careq_id}",
            operations::record_status(),
            get_of(status::record::handle),
        ))
        .routes(document::route("/health", operations::health(), get_of(status::health::handle)))
}

fn post_of<H, A>(handler: H) -> MethodRouter<Arc<Ingress>>
where
    H: Handler<A, Arc<Ingress>>,
    A: ArgumentsWithCaller + 'static,
{
    post(handler)
}

fn get_of<H, A>(handler: H) -> MethodRouter<Arc<Ingress>>
where
    H: Handler<A, Arc<Ingress>>,
    A: ArgumentsWithCaller + 'static,
{
    get(handler)
}
