//! A TCP proxy between a process and a server that can delay, drop or cut connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::until;

/// State of the proxy's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Bytes pass.
    Open,
    /// Bytes pass with a delay for each piece.
    Slow(Duration),
    /// Bytes are dropped in both directions without an error: a half-open connection.
    Silent,
    /// Bytes to the server are dropped.
    Deaf,
    /// Bytes to the client are dropped.
    Mute,
    /// Connections are closed, including new ones.
    Down,
}

/// A proxy in front of one server.
pub(crate) struct Proxy {
    address: SocketAddr,
    server: Arc<str>,
    line: watch::Sender<Line>,
    cuts: watch::Sender<u32>,
    harmed: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server: &str) -> Self {
        Self::at("127.0.0.1:0", server).await
    }

    /// Listens at an address whose previous owner has ended.
    pub(crate) async fn at(address: &str, server: &str) -> Self {
        let server: Arc<str> = server.into();
        let listener = until("the address is free", || async { TcpListener::bind(address).await.ok() }).await;
        let address = listener.local_addr().unwrap();
        let (line, (cuts, _)) = (watch::Sender::new(Line::Open), watch::channel(0));
        let (lines, cut) = (line.subscribe(), cuts.subscribe());
        let harmed = Arc::new(AtomicU64::new(0));
        let cable = Cable { server: Arc::clone(&server), line: lines, harmed: Arc::clone(&harmed) };
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (cable, mut cut) = (cable.clone(), cut.clone());
                tokio::spawn(async move {
                    cut.mark_unchanged();
                    tokio::select! {
                        _ = cut.changed() => cable.harms(),
                        () = cable.connection(client) => {}
                    }
                });
            }
        });
        Self { address, server, line, cuts, harmed, accepting }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Host and port of the server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
        if line == Line::Down {
            self.cut();
        }
    }

    /// Number of effects so far: pieces dropped or delayed, connections cut or closed at once.
    pub(crate) fn harmed(&self) -> u64 {
        self.harmed.load(Ordering::Relaxed)
    }

    /// Closes all current connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// State shared by all connections of a proxy.
#[derive(Clone)]
struct Cable {
    server: Arc<str>,
    line: watch::Receiver<Line>,
    harmed: Arc<AtomicU64>,
}

impl Cable {
    async fn connection(&self, client: TcpStream) {
        if *self.line.borrow() == Line::Down {
            return self.harms();
        }
        let Ok(server) = TcpStream::connect(&*self.server).await else { return };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = self.pass(from_client, to_server, Line::Deaf) => {}
            () = self.pass(from_server, to_client, Line::Mute) => {}
        }
    }

    /// Passes bytes in one direction until either end closes. After dropped bytes the direction stays silent for its
    /// connection, and its end is not passed on either.
    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, vanishes: Line) {
        let mut piece = vec![0; 16_384];
        let mut has_vanished = false;
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let state = *self.line.borrow();
            has_vanished |= state == Line::Silent || state == vanishes;
            if let Line::Slow(delay) = state {
                self.harms();
                tokio::time::sleep(delay).await;
            }
            if has_vanished {
                self.harms();
            } else if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
        let state = *self.line.borrow();
        if has_vanished || state == Line::Silent || state == vanishes {
            std::future::pending::<()>().await;
        }
    }

    fn harms(&self) {
        self.harmed.fetch_add(1, Ordering::Relaxed);
    }
}
