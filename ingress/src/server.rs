//! The routes of CareQ's side and the process around them. A route must never be added outside the door, which
//! authenticates, nor without its description.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use careq_shared::records::{Kind, Limits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::ingress::{API, Ingress};
use crate::openapi::{self, described};
use crate::problem::Problem;
use crate::{batch, door, edge, pages, problem, webhook};

/// Serves until told to stop, then finishes the requests in hand.
pub async fn run(listener: TcpListener, ingress: Arc<Ingress>, shutdown: CancellationToken) {
    careq_http::serve(listener, routes(Arc::clone(&ingress)), ingress.limits(), shutdown).await;
}

fn routes(ingress: Arc<Ingress>) -> Router {
    let (api, document) = api(ingress.settings.record_limits()).split_for_parts();
    let api = api
        // Before the layers, so that a wrong method has to prove itself, too.
        .method_not_allowed_fallback(|| async { Problem::wrong_method() })
        // One layer, not two: each is a box that every request has a copy of.
        .layer((
            from_fn_with_state(Arc::clone(&ingress), door::guard),
            CatchPanicLayer::custom(problem::of_panic),
        ));
    // The description holds nothing of any clinic, and CareQ needs it before it has a token.
    let page = careq_http::documentation("/docs", "/openapi.json", &openapi::document(document));
    Router::new()
        .nest(API, api)
        .merge(page.method_not_allowed_fallback(|| async { Problem::wrong_method() }))
        .fallback(|| async { Problem::unknown_path() })
        .layer((
            from_fn_with_state(Arc::clone(&ingress), edge::around),
            CatchPanicLayer::custom(problem::of_panic),
        ))
        .with_state(ingress)
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
    let webhook = move |(path, kind)| described(path, openapi::webhook(kind, limits), post(webhook_of(kind)));
    webhooks
        .map(webhook)
        .into_iter()
        .fold(OpenApiRouter::new(), OpenApiRouter::routes)
        .routes(described("/batch", openapi::batch(), post(batch::handle)))
        .routes(described("/batch/{batch_id}", openapi::batch_page(), get(pages::batch)))
        .routes(described("/events/{event_id}", openapi::event_page(), get(pages::event)))
        .routes(described("/status/{kind}/{careq_id}", openapi::record_page(), get(pages::record)))
        .routes(described("/health", openapi::health(), get(pages::health)))
}

/// The handler of one kind of webhook.
fn webhook_of(
    kind: Kind,
) -> impl Fn(State<Arc<Ingress>>, Request) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>> + Clone
{
    move |State(ingress), request| Box::pin(async move { webhook::handle(&ingress, kind, request).await })
}
