//! The operations port: liveness, readiness, metrics and, in some processes, the admin API. It is not for CareQ, and only the admin API,
//! with a token, returns data of clinics.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use careq_http::ConnectionLimits;
use careq_shared::config::{Config, OperationsConfig};
use careq_shared::networks::Networks;
use careq_shared::telemetry::measure::Measured;
use careq_shared::telemetry::metrics::{self, No, metrics};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The readiness check, called at each request.
pub(crate) type Readiness = Arc<dyn Fn() -> bool + Send + Sync>;

/// The limits of the port. The clients are probes, Prometheus and a few people, possibly behind one address.
fn limits() -> ConnectionLimits {
    ConnectionLimits {
        max_connections: 512,
        max_connections_per_address: 0,
        trusted_proxies: Networks::default(),
        max_header_bytes: 16_384,
        max_header_fields: 64,
        first_byte_timeout: Duration::from_secs(8),
        // More than 15 s, a usual interval of Prometheus: its connection must not close when it is used.
        header_timeout: Duration::from_secs(17),
        request_timeout: Duration::from_secs(30),
    }
}

/// Serves `/livez`, `/readyz`, `/metrics` and the routes of the admin API until shutdown, then finishes the requests in flight.
pub(crate) async fn start(
    config: &Config,
    readiness: Readiness,
    measured: Measured,
    admin: Router,
    shutdown: CancellationToken,
) -> Result<JoinHandle<()>> {
    let listener = bind(&config.operations, admin.has_routes()).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "operations: /livez, /readyz and /metrics");
    if admin.has_routes() {
        tracing::info!(%address, "the admin API takes requests");
    }
    let interval = Duration::from_secs(config.telemetry.measure_interval_s);
    tokio::spawn(measured.clone().keep_measuring(interval, shutdown.clone()));
    let is_ready = Arc::clone(&readiness);
    let ready = move || {
        let is_ready = is_ready();
        async move {
            if is_ready {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    };
    let exposition = move || {
        measured.at_once();
        metrics().ready.get_or_create(&No {}).set(readiness().into());
        async { ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics().exposition()) }
    };
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition));
    Ok(tokio::spawn(careq_http::serve(listener, routes.merge(admin), limits(), shutdown)))
}

/// Binds the configured address. If the default address is taken, binds any free port instead, so that several processes run on one
/// machine; but not with the admin API, since admins would send their tokens to the other process.
async fn bind(settings: &OperationsConfig, has_admin_api: bool) -> Result<TcpListener> {
    let address = settings.listen;
    match TcpListener::bind(address).await {
        Err(fault)
            if fault.kind() == ErrorKind::AddrInUse && !has_admin_api && settings.is_default() =>
        {
            Ok(TcpListener::bind((address.ip(), 0)).await?)
        }
        bound => bound.with_context(|| {
            format!("cannot listen on {address}; set operations.listen (CAREQ_OPERATIONS_LISTEN) to a free address")
        }),
    }
}
