//! The routes of CareQ's side and the process around them. A route must never be added outside the door, which
//! authenticates.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use careq_shared::broker::Broker;
use careq_shared::clock::AcceptanceClock;
use careq_shared::config::IngressConfig;
use careq_shared::records::Kind;
use sea_orm::DatabaseConnection;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::directory::Directory;
use crate::limit::Limiter;
use crate::problem::Problem;
use crate::results::ResultDesk;
use crate::{batch, directory, door, pages, problem, webhook};

/// The base path of the API (specification, "Base URL").
pub const API: &str = "/api/v1/careq-sync";

/// What every request shares.
#[derive(Debug)]
pub struct Ingress {
    pub(crate) settings: IngressConfig,
    pub(crate) publish_timeout: Duration,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) database: DatabaseConnection,
    pub(crate) directory: watch::Receiver<Option<Arc<Directory>>>,
    pub(crate) limiter: Limiter,
    pub(crate) clock: AcceptanceClock,
    pub(crate) results: Arc<ResultDesk>,
}

impl Ingress {
    /// An ingress that begins to read the clinics, until `shutdown`, and to listen for results.
    #[must_use]
    pub fn start(
        settings: IngressConfig,
        publish_timeout: Duration,
        broker: Arc<dyn Broker>,
        database: DatabaseConnection,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        let refresh_every = Duration::from_secs(settings.clinics_refresh_s);
        let directory = directory::keep_current(database.clone(), refresh_every, shutdown.clone());
        let results = ResultDesk::start(broker.mailbox());
        let limiter = Limiter::new(settings.rate_per_minute, settings.rate_burst);
        let clock = AcceptanceClock::default();
        Arc::new(Self { settings, publish_timeout, broker, database, directory, limiter, clock, results })
    }

    /// Returns when the clinics have been read once.
    pub async fn clinics_are_known(&self) {
        // The only error is that the process is ending.
        self.directory.clone().wait_for(Option::is_some).await.map(drop).unwrap_or_default();
    }

    /// Whether webhooks can be taken: the clinics are known and the broker is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.directory.borrow().is_some() && self.broker.is_connected()
    }
}

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
