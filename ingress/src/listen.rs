//! Connections: how many, how long a head may take and how large it may be, and their end. A client that dribbles, stays
//! silent or goes away must never cost anything that lasts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use careq_shared::config::IngressConfig;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::authenticate::Peer;

/// When the system has no more file descriptors, an accept fails at once; trying again at once would burn a core.
const PAUSE_AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// Serves until told to stop, then finishes the requests in hand. A request that is still being sent has its own time-outs.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    settings: &IngressConfig,
    shutdown: CancellationToken,
) {
    let http = http(settings);
    let places = Arc::new(Semaphore::new(settings.most_connections));
    let connections = GracefulShutdown::new();
    let silence = Duration::from_secs(settings.header_timeout_s);
    while let Some(Ok((place, stream, peer))) = shutdown.run_until_cancelled(next(&listener, &places)).await {
        if prepare(&stream, silence).is_err() {
            continue;
        }
        let connection = http.serve_connection(TokioIo::new(stream), service(routes.clone(), peer));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // It ends with an error when a client goes away, is too slow or speaks no HTTP: its own affair.
            connection.await.unwrap_or_default();
            drop(place);
        });
    }
    drop(listener);
    let longest = settings.header_timeout_s.saturating_add(settings.request_timeout_s);
    if tokio::time::timeout(Duration::from_secs(longest), connections.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

fn http(settings: &IngressConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(settings.header_timeout_s))
        // A head is refused when it fills the buffer (431), which also holds the part of a body that came with it.
        .max_buf_size(settings.header_limit_bytes)
        .max_headers(settings.header_limit_fields);
    http
}

/// The next connection, when there is a place for it; until then it waits with the operating system.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Result<(OwnedSemaphorePermit, TcpStream, SocketAddr), tokio::sync::AcquireError> {
    let place = Arc::clone(places).acquire_owned().await?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((place, stream, peer)),
            Err(reason) => {
                tracing::warn!(%reason, "a connection could not be accepted");
                tokio::time::sleep(PAUSE_AFTER_A_FAILED_ACCEPT).await;
            }
        }
    }
}

/// Fails when the client has gone away already.
fn prepare(stream: &TcpStream, silence: Duration) -> std::io::Result<()> {
    // Without it, an answer can wait 40 ms for the client's acknowledgement of its head.
    stream.set_nodelay(true)?;
    // A client that leaves its answers unread would otherwise keep its place for ever (tcp(7), TCP_USER_TIMEOUT).
    SockRef::from(stream).set_tcp_user_timeout(Some(silence))
}

/// The routes, told who opened the connection.
fn service(
    routes: Router,
    peer: SocketAddr,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    let routes = TowerToHyperService::new(routes);
    service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        routes.call(request)
    })
}
