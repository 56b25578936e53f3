//! The routes of CareQ's side and the process around them. A route must never be added outside the door, which
//! authenticates.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use careq_shared::records::Kind;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::ingress::{API, Ingress};
use crate::problem::Problem;
use crate::{batch, door, pages, problem, webhook};

/// Serves until told to stop, then finishes the requests in hand.
///
/// # Errors
/// The listener failed.
pub async fn run(
    listener: TcpListener,
    ingress: Arc<Ingress>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, routes(ingress)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

fn routes(ingress: Arc<Ingress>) -> Router {
    let webhooks = [
        ("/patient", Kind::Patient),
        ("/doctor", Kind::Doctor),
        ("/service", Kind::Service),
        ("/appointment", Kind::Appointment),
        ("/appointment/status", Kind::Status),
        ("/appointment/cancel", Kind::Cancel),
    ];
    let api = webhooks
        .into_iter()
        .fold(Router::new(), |api, (path, kind)| api.route(path, post(webhook_of(kind))))
        .route("/batch", post(batch::handle))
        .route("/batch/{batch_id}", get(pages::batch))
        .route("/events/{event_id}", get(pages::event))
        .route("/status/{kind}/{careq_id}", get(pages::record))
        .route("/health", get(pages::health))
        .layer(from_fn_with_state(Arc::clone(&ingress), door::guard))
        .method_not_allowed_fallback(|| async { Problem::wrong_method() });
    Router::new()
        .nest(API, api)
        .fallback(|| async { Problem::unknown_path() })
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .with_state(ingress)
}

/// The handler of one kind of webhook.
fn webhook_of(
    kind: Kind,
) -> impl Fn(State<Arc<Ingress>>, Request) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>> + Clone
{
    move |State(ingress), request| Box::pin(async move { webhook::handle(&ingress, kind, request).await })
}
