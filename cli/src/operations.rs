//! The operations port: is the process alive, and is it ready. It must never be reachable by CareQ, and never show data.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use careq_shared::config::{Config, DEFAULTS};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether the process can do its work, asked at each request.
pub(crate) type Readiness = Arc<dyn Fn() -> bool + Send + Sync>;

/// Serves `/livez` and `/readyz` until told to stop.
pub(crate) async fn start(config: &Config, readiness: Readiness, shutdown: CancellationToken) -> Result<()> {
    let listener = bind(config.operations.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "operations: /livez and /readyz");
    let ready = move || {
        let is_ready = readiness();
        async move {
            if is_ready {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    };
    let routes = Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(ready));
    let serving = axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned());
    tokio::spawn(async move {
        if let Err(reason) = serving.await {
            tracing::error!(%reason, "the operations port has failed");
        }
    });
    Ok(())
}

/// The address that was set; if it is the default and taken, any free one, so that several processes fit on one machine.
async fn bind(address: SocketAddr) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(fault) if fault.kind() == ErrorKind::AddrInUse && is_default(address) => {
            Ok(TcpListener::bind((address.ip(), 0)).await?)
        }
        bound => bound.with_context(|| {
            format!("cannot listen on {address}; set operations.listen (CAREQ_OPERATIONS_LISTEN) to a free address")
        }),
    }
}

fn is_default(address: SocketAddr) -> bool {
    DEFAULTS.contains(&format!("listen = \"{address}\""))
}
