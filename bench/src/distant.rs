//! A proxy in front of a server on this machine that makes it distant: the bytes of each direction arrive later, in their
//! order. It limits the time, not the throughput.
//!
//! Each direction of a connection has two threads, because the timer of the async runtime has a resolution of 1 ms.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use careq_shared::ignore;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::print;

/// The time that is added to a round trip. Each direction has half of it.
const ROUND_TRIP: Duration = Duration::from_millis(3);

/// The distance in the names of results.
pub(crate) const DISTANCE: &str = "database 3 ms away";

/// Maximum size of a chunk.
const CHUNK_BYTES: usize = 16 * 1_024;

/// Maximum number of chunks on their way in one direction of a connection: at most 4 MiB in 1.5 ms, which is 2.8 GB/s.
const MAX_CHUNKS: usize = 256;

/// Bytes, and the time at which they arrive.
type Chunk = (Instant, Vec<u8>);

/// A distant server. Connections end with their clients; new ones are refused when it is dropped.
pub(crate) struct Distant {
    address: String,
    accepting: JoinHandle<()>,
}

impl Distant {
    /// Makes the server at this address distant.
    pub(crate) async fn new(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, server) = (listener.local_addr()?.to_string(), server.to_owned());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Err(error) = connect(client, &server).await {
                    print::warning(&format!("{server} cannot be reached: {error}"));
                }
            }
        });
        Ok(Self { address, accepting })
    }

    /// Host and port for its clients.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Distant {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(client: tokio::net::TcpStream, server: &str) -> Result<()> {
    let server = tokio::net::TcpStream::connect(server).await?;
    let (client, server) = (blocking(client)?, blocking(server)?);
    delay(client.try_clone()?, server.try_clone()?);
    delay(server, client);
    Ok(())
}

fn blocking(stream: tokio::net::TcpStream) -> Result<TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Passes the bytes of one direction on, until one of the two ends closes.
fn delay(from: TcpStream, to: TcpStream) {
    let (departed, arriving) = sync_channel(MAX_CHUNKS);
    thread::spawn(move || depart(from, &departed));
    thread::spawn(move || arrive(arriving, to));
}

fn depart(mut from: TcpStream, departed: &SyncSender<Chunk>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let arrives_at = Instant::now() + ROUND_TRIP / 2;
        if departed.send((arrives_at, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}

fn arrive(arriving: Receiver<Chunk>, mut to: TcpStream) {
    for (arrives_at, bytes) in arriving {
        thread::sleep(arrives_at.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    ignore(to.shutdown(Shutdown::Write), "the other end has closed the connection");
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinSet;

    use super::*;

    /// A server that returns what it receives, and a client on the way to it.
    async fn echo() -> (JoinSet<()>, Distant, tokio::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let distant = Distant::new(&listener.local_addr().unwrap().to_string()).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let (mut received, mut returned) = listener.accept().await.unwrap().0.into_split();
            tokio::io::copy(&mut received, &mut returned).await.unwrap();
        });
        let client = tokio::net::TcpStream::connect(distant.address()).await.unwrap();
        (serving, distant, client)
    }

    #[tokio::test]
    async fn each_round_trip_takes_longer() {
        let (_serving, _distant, mut client) = echo().await;
        for _ in 0..5 {
            let began_at = Instant::now();
            client.write_all(b"?").await.unwrap();
            client.read_u8().await.unwrap();
            assert!(began_at.elapsed() >= ROUND_TRIP);
        }
    }

    #[tokio::test]
    async fn more_bytes_than_are_held_pass_in_their_order() {
        let (_serving, _distant, client) = echo().await;
        let sent: Vec<_> = (0..=250_u8).cycle().take(3 * MAX_CHUNKS * CHUNK_BYTES).collect();
        let (mut from_server, mut to_server) = client.into_split();
        let sending = async {
            to_server.write_all(&sent).await.unwrap();
            to_server.shutdown().await.unwrap();
        };
        let mut returned = Vec::new();
        let receiving = async { from_server.read_to_end(&mut returned).await.unwrap() };
        tokio::join!(sending, receiving);
        assert!(returned == sent);
    }
}
