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

use crate::connections::{Connection, Connections, Entry};

/// When the system has no more file descriptors, an accept fails at once; trying again at once would burn a core.
const PAUSE_AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// Whoever opened the connection; put into every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What an unread answer takes of the kernel's memory: the kernel doubles it. Larger answers wait for their reader in memory that
/// they share.
const SEND_BUFFER_BYTES: usize = 16 * 1_024;

/// How long a new connection waits for an evicted one to end, until another one is evicted.
const EVICTION: Duration = Duration::from_millis(100);

/// Refused connections are logged at most so often.
const BETWEEN_WARNINGS: Duration = Duration::from_mins(1);

/// What a port allows its clients.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most connections at the same time. A further one takes the place of the one that has been idle longest.
    pub max_connections: usize,
    /// Most connections of one address at the same time, further ones are closed; 0 = no limit.
    pub max_connections_per_address: usize,
    /// Proxies, which have no limit of their own.
    pub trusted_proxies: Networks,
    /// The largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// The most header fields of a request.
    pub max_header_fields: usize,
    /// How long a new connection may stay silent.
    pub first_byte_timeout: Duration,
    /// How long a client may take to send its head, to stay silent between two requests, and to leave an answer unread.
    pub header_timeout: Duration,
    /// How long a request may take from its head to its answer.
    pub request_timeout: Duration,
}

/// Serves until told to stop, then finishes the requests in hand. A request that is still being sent has its own time-outs.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, shutdown: CancellationToken) {
    let http = http(&limits);
    let longest = limits.header_timeout.saturating_add(limits.request_timeout);
    let mut door = Door::new(listener, &limits);
    let connections = GracefulShutdown::new();
    while let Some(Ok(Visitor { place, entry, stream, peer })) =
        shutdown.run_until_cancelled(door.next()).await
    {
        if prepare(&stream, limits.header_timeout).is_err() {
            continue;
        }
        let (http, watcher, shutdown) = (http.clone(), connections.watcher(), shutdown.clone());
        let service = service(routes.clone(), peer, Arc::clone(&entry.connection));
        let first_byte_timeout = limits.first_byte_timeout;
        tokio::spawn(async move {
            entry.connection.becomes_idle();
            let evicted = entry.connection.evicted();
            let served = async {
                // A socket that never says a word costs no more than itself.
                let mut byte = [0];
                let first_byte = timeout(first_byte_timeout, stream.peek(&mut byte));
                if let Some(Ok(Ok(1))) = shutdown.run_until_cancelled(first_byte).await {
                    // It ends with an error when a client goes away, is too slow or speaks no HTTP: its own affair.
                    let connection = http.serve_connection(TokioIo::new(stream), service);
                    watcher.watch(connection).await.unwrap_or_default();
                }
            };
            tokio::select! { () = evicted => {} () = served => {} }
            drop((entry, place));
        });
    }
    drop(door);
    if timeout(longest, connections.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // A head is refused when it fills the buffer (431), which also holds the part of a body that came with it.
        .max_buf_size(limits.max_header_bytes)
        .max_headers(limits.max_header_fields);
    http
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    connections: Arc<Connections>,
    warned_at: Option<Instant>,
}

/// A connection that has a place.
struct Visitor {
    place: OwnedSemaphorePermit,
    entry: Entry,
    stream: TcpStream,
    peer: SocketAddr,
}

impl Door {
    fn new(listener: TcpListener, limits: &Limits) -> Self {
        let exempt = limits.trusted_proxies.clone();
        let connections = Connections::new(limits.max_connections_per_address, exempt);
        let places = Arc::new(Semaphore::new(limits.max_connections));
        Self { listener, places, connections, warned_at: None }
    }

    /// The next connection that may stay.
    async fn next(&mut self) -> Result<Visitor, AcquireError> {
        loop {
            let (stream, peer) = self.accept().await;
            if let Some(entry) = self.connections.enter(peer.ip()) {
                return Ok(Visitor { place: self.place().await?, entry, stream, peer });
            }
            self.warn(peer.ip());
        }
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(reason) => {
                    tracing::warn!(%reason, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE_AFTER_A_FAILED_ACCEPT).await;
                }
            }
        }
    }

    /// A free place, or that of the connection that has been idle longest. While all are busy, the next connections wait with the
    /// operating system.
    async fn place(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        loop {
            self.connections.evict();
            if let Ok(place) = timeout(EVICTION, Arc::clone(&self.places).acquire_owned()).await {
                return place;
            }
        }
    }

    /// An operator who looks for the cause of refused connections needs the address.
    fn warn(&mut self, client: IpAddr) {
        if self.warned_at.is_none_or(|warned_at| warned_at.elapsed() >= BETWEEN_WARNINGS) {
            self.warned_at = Some(Instant::now());
            tracing::warn!(%client, "an address has as many connections as it may have; further ones are closed");
        }
    }
}

/// Fails when the client has gone away already.
fn prepare(stream: &TcpStream, silence: Duration) -> std::io::Result<()> {
    // Without it, an answer can wait 40 ms for the client's acknowledgement of its head.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    // A client that leaves its answers unread would otherwise keep its place for ever (tcp(7), TCP_USER_TIMEOUT).
    socket.set_tcp_user_timeout(Some(silence))
}

/// The routes, told who opened the connection.
fn service(
    routes: Router,
    peer: SocketAddr,
    connection: Arc<Connection>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    let routes = TowerToHyperService::new(routes);
    service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        connection.becomes_busy();
        let (answer, connection) = (routes.call(request), Arc::clone(&connection));
        async move {
            let answer = answer.await;
            connection.becomes_idle();
            answer
        }
    })
}
