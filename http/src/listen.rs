//! The HTTP/1 listener: connection limits, timeouts and graceful shutdown. A client that sends slowly, stays silent or disconnects
//! holds nothing beyond its timeout.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use careq_shared::networks::Networks;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::PeerAddress;
use crate::connections::{Connection, Connections, Entry};

/// Pause after a failed accept. Without file descriptors every accept fails at once, and a retry loop would use a whole core.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// The kernel's send buffer of a connection; the kernel doubles the value. It limits the unsent bytes of an answer in the kernel. The
/// rest stays in this process.
const SEND_BUFFER_BYTES: usize = 16 * 1_024;

/// How long a new connection waits for an evicted one to close, before another one is evicted.
const EVICTION_TIMEOUT: Duration = Duration::from_millis(100);

/// Minimum time between two warnings about refused connections.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// The limits of the connections of a port.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Maximum number of connections. A further one replaces the connection that has been idle longest. A connection is idle from the
    /// return of its handler, even if its answer has not been sent.
    pub max_connections: usize,
    /// Maximum number of connections per address; further ones are closed. 0 = no limit.
    pub max_connections_per_address: usize,
    /// Proxies, which have no limit per address.
    pub trusted_proxies: Networks,
    /// Maximum size of a request head in bytes.
    pub max_header_bytes: usize,
    /// Maximum number of header fields.
    pub max_header_fields: usize,
    /// Time until the first byte of a new connection.
    pub first_byte_timeout: Duration,
    /// Time for a request head, between two requests, and for an answer that the client does not read.
    pub header_timeout: Duration,
    /// Longest time that a handler takes. The listener uses it only for the timeout of a shutdown.
    pub request_timeout: Duration,
}

/// Serves until `shutdown`, then finishes the requests in flight. A request whose body is incomplete ends by its own timeouts.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let http = http(&limits);
    let drain_timeout = limits.header_timeout.saturating_add(limits.request_timeout);
    let connections = Connections::new(limits.max_connections_per_address, limits.trusted_proxies.clone());
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let mut acceptor = Acceptor { listener, slots, connections, warned_at: None };
    let open = GracefulShutdown::new();
    while let Some(Ok(accepted)) = shutdown.run_until_cancelled(acceptor.next()).await {
        let (slot, entry, stream, peer) = accepted;
        if configure_socket(&stream, limits.header_timeout).is_err() {
            continue;
        }
        let (http, watcher, shutdown) = (http.clone(), open.watcher(), shutdown.clone());
        let service = service(routes.clone(), peer, Arc::clone(&entry.connection));
        let first_byte_timeout = limits.first_byte_timeout;
        tokio::spawn(async move {
            entry.connection.becomes_idle();
            let evicted = entry.connection.evicted.cancelled();
            let served = async {
                // Until its first byte, a connection allocates no buffers.
                let mut byte = [0];
                let first_byte = timeout(first_byte_timeout, stream.peek(&mut byte));
                if let Some(Ok(Ok(1))) = shutdown.run_until_cancelled(first_byte).await {
                    let connection = http.serve_connection(TokioIo::new(stream), service);
                    // The client disconnected, was too slow or does not speak HTTP.
                    if let Err(reason) = watcher.watch(connection).await {
                        tracing::debug!(%reason, "a connection ended with an error");
                    }
                }
            };
            tokio::select! { () = evicted => {} () = served => {} }
            drop((entry, slot));
        });
    }
    drop(acceptor);
    if timeout(drain_timeout, open.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time; they close when the process exits");
    }
}

fn http(limits: &ConnectionLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // A head that fills the buffer is answered 431. The buffer also holds the part of a body that came with the head.
        .max_buf_size(limits.max_header_bytes)
        .max_headers(limits.max_header_fields);
    http
}

/// Accepts connections within the limits.
struct Acceptor {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    connections: Arc<Connections>,
    warned_at: Option<Instant>,
}

/// A connection within the limits, with its slot and its entry.
type Accepted = (OwnedSemaphorePermit, Entry, TcpStream, SocketAddr);

impl Acceptor {
    /// The next connection within the limits.
    async fn next(&mut self) -> Result<Accepted, AcquireError> {
        loop {
            let (stream, peer) = self.accept().await;
            if let Some(entry) = self.connections.enter(peer.ip()) {
                return Ok((self.slot().await?, entry, stream, peer));
            }
            if self.warned_at.is_none_or(|warned_at| warned_at.elapsed() >= WARNING_INTERVAL) {
                self.warned_at = Some(Instant::now());
                let client = peer.ip();
                tracing::warn!(%client, "an address has reached its limit of connections; further ones are closed");
            }
        }
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(reason) => {
                    tracing::warn!(%reason, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }

    /// A free slot, or that of the connection that has been idle longest. While all connections are busy, new ones wait in the
    /// kernel's backlog.
    async fn slot(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        loop {
            self.connections.evict();
            if let Ok(slot) = timeout(EVICTION_TIMEOUT, Arc::clone(&self.slots).acquire_owned()).await {
                return slot;
            }
        }
    }
}

/// Sets the options of a socket. Fails if the client has already disconnected.
fn configure_socket(stream: &TcpStream, unread_timeout: Duration) -> std::io::Result<()> {
    // With Nagle's algorithm, an answer can wait 40 ms for the acknowledgement of its head.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    // Otherwise a client that does not read its answers keeps its slot for ever (tcp(7), TCP_USER_TIMEOUT).
    socket.set_tcp_user_timeout(Some(unread_timeout))
}

/// The routes as a service that adds the peer's address to each request, and marks the connection as busy while a handler runs.
fn service(
    routes: Router,
    peer: SocketAddr,
    connection: Arc<Connection>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    let routes = TowerToHyperService::new(routes);
    service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(peer.ip()));
        connection.becomes_busy();
        let (response, connection) = (routes.call(request), Arc::clone(&connection));
        async move {
            let response = response.await;
            connection.becomes_idle();
            response
        }
    })
}
