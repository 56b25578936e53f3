//! Connections: how many, how long a head may take and how large it may be, and their end. A client that dribbles, stays
//! silent or goes away must never cost anything that lasts.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
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

/// When the system has no more file descriptors, an accept fails at once; trying again at once would burn a core.
const PAUSE_AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// Whoever opened the connection; put into every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What a port allows its clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at the same time; further ones wait with the operating system.
    pub most_connections: usize,
    /// The largest head of a request, in bytes.
    pub header_limit_bytes: usize,
    /// The most header fields of a request.
    pub header_limit_fields: usize,
    /// How long a client may take to send its head, to stay silent between two requests, and to leave an answer unread.
    pub header_timeout: Duration,
    /// How long a request may take from its head to its answer.
    pub request_timeout: Duration,
}

/// Serves until told to stop, then finishes the requests in hand. A request that is still being sent has its own time-outs.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, shutdown: CancellationToken) {
    let http = http(limits);
    let places = Arc::new(Semaphore::new(limits.most_connections));
    let connections = GracefulShutdown::new();
    while let Some(Ok((place, stream, peer))) = shutdown.run_until_cancelled(next(&listener, &places)).await {
        if prepare(&stream, limits.header_timeout).is_err() {
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
    let longest = limits.header_timeout.saturating_add(limits.request_timeout);
    if tokio::time::timeout(longest, connections.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

fn http(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // A head is refused when it fills the buffer (431), which also holds the part of a body that came with it.
        .max_buf_size(limits.header_limit_bytes)
        .max_headers(limits.header_limit_fields);
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
