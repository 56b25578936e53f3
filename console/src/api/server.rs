//! The routes of the admin API, and what every request shares. A route must never be added outside the guard, nor without its
//! description.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use careq_http::{AuthFailures, BodyLimits};
use careq_shared::networks::Networks;
use careq_shared::records::Limits;
use careq_shared::seal::Seal;
use sea_orm::DatabaseConnection;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use super::problem::{self, Problem};
use super::{admin, audit, edge, groups, guard, jobs, letters, openapi, progress};

/// Where the admin API begins.
pub const PREFIX: &str = "/admin/v1";

/// Most requests in hand: people click, they do not flood.
const MAX_REQUESTS: usize = 64;

/// Most jobs that are followed at the same time, each with a look at the database every second.
const MAX_STREAMS: usize = 32;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What every request shares.
#[derive(Debug)]
pub struct Api {
    pub(super) database: DatabaseConnection,
    pub(super) seal: Arc<Seal>,
    pub(super) body_limits: BodyLimits,
    /// Of corrections.
    pub(super) limits: Limits,
    pub(super) trusted_proxies: Networks,
    pub(super) failures: AuthFailures,
    /// One for each request in hand.
    pub(super) places: Semaphore,
    /// One for each job that is followed.
    pub(super) streams: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
}

/// What an admin API is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where everything is. Its pool must not be one that workers wait for.
    pub database: DatabaseConnection,
    /// Opens payloads, and seals corrections.
    pub seal: Arc<Seal>,
    /// The largest body in bytes: that of a webhook, since a correction is one.
    pub max_body_bytes: usize,
    /// The limits of the field rules, since a correction must satisfy them.
    pub limits: Limits,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    /// Ends the streams.
    pub shutdown: CancellationToken,
}

impl Api {
    /// An admin API with nothing in hand.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { database, seal, max_body_bytes, limits, trusted_proxies, shutdown } = parts;
        Arc::new(Self {
            database,
            seal,
            body_limits: BodyLimits { max_bytes: max_body_bytes, timeout: BODY_TIMEOUT },
            limits,
            trusted_proxies,
            failures: AuthFailures::new(),
            places: Semaphore::new(MAX_REQUESTS),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            shutdown,
        })
    }

    /// The routes, below `/admin`.
    pub fn routes(self: Arc<Self>) -> Router {
        let (api, document) = described().split_for_parts();
        let api = api
            // Before the layers, so that a wrong method has to prove itself, too.
            .method_not_allowed_fallback(|| async { Problem::wrong_method() })
            .layer(CatchPanicLayer::custom(problem::of_panic))
            .layer(from_fn_with_state(Arc::clone(&self), guard::guard));
        // The description holds nothing of any clinic, and whoever builds on it needs it before there is a token.
        let document = openapi::document(document);
        let page = careq_http::documentation("/admin/docs", "/admin/openapi.json", &document);
        Router::new()
            .nest(PREFIX, api)
            .merge(page.method_not_allowed_fallback(|| async { Problem::wrong_method() }))
            .route("/admin/{*path}", axum::routing::any(|| async { Problem::unknown_path() }))
            .layer(CatchPanicLayer::custom(problem::of_panic))
            .layer(from_fn_with_state(Arc::clone(&self), edge::around))
            .with_state(self)
    }
}

/// Each route with its description; a file for each resource.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(admin::routes())
        .merge(letters::routes())
        .merge(groups::routes())
        .merge(jobs::routes())
        .merge(progress::routes())
        .merge(audit::routes())
}
