//! Clients that never complete a request. They must not cause lasting growth of memory.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{MIB, open_files, resident_bytes, until};
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

/// Maximum number of crowds. The first ones fill the allocator's caches; one of the others must leave no lasting growth.
const MAX_CROWDS: usize = 8;

/// Memory that may remain for each client of a crowd. The buffers of a connection are many times larger.
const MAY_KEEP_BYTES_PER_CLIENT: u64 = 1_024;

/// Memory that the ingress allocates for its other work in the meantime.
const MAY_KEEP_BYTES: u64 = MIB;

/// Time after which an incomplete request must have been closed.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(30);

/// Time between two bytes of a slow client.
const BYTE_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) fn all() -> Vec<Fault> {
    vec![fault("crowd that dribbles, and goes away", |servers, play| crowd(servers, play).boxed_local())]
}

/// Hundreds or thousands of clients that send half a head, single bytes, or close before the response.
async fn crowd(servers: &mut Servers, play: Play) -> Row {
    let header_timeout = [("CAREQ_INGRESS_HEADER_TIMEOUT_S", "2")];
    let mut trial = Trial::full_with(servers, play.load(8), (1, 2), &header_timeout).await;
    trial.under_load().await;
    crowds(play.choose(400, 4_000), &mut trial).await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// Sends crowds until one leaves no memory behind. With a leak, each crowd leaves some.
async fn crowds(clients: usize, trial: &mut Trial) {
    let files_before = open_files(&trial.ingresses[0].process);
    let may_keep = MAY_KEEP_BYTES + clients as u64 * MAY_KEEP_BYTES_PER_CLIENT;
    let mut kept_kib = Vec::new();
    for _ in 0..MAX_CROWDS {
        let bytes_before = resident_bytes(&trial.ingresses[0].process);
        crowd_of(clients, trial).await;
        until("the crowd's connections are closed", || async {
            (open_files(&trial.ingresses[0].process) < files_before + 32).then_some(())
        })
        .await;
        let kept = resident_bytes(&trial.ingresses[0].process).saturating_sub(bytes_before);
        kept_kib.push(kept >> 10);
        if kept < may_keep {
            break;
        }
    }
    let sentence =
        format!("ingress: kept {kept_kib:?} KiB of crowds of {clients} clients, one after the other");
    let last = kept_kib.last().copied().unwrap_or_default();
    trial.expect(last << 10 < may_keep, &format!("{sentence}: each more than {} KiB", may_keep >> 10));
    trial.notes.push(sentence);
}

/// Connects all clients at the same time and waits until all are closed.
async fn crowd_of(clients: usize, trial: &mut Trial) {
    let address = trial.ingresses[0].address();
    let clients = (0..clients).map(|number| timeout(CUT_OFF_WITHIN, bad_client(address.to_owned(), number)));
    let clients: Vec<_> = clients.map(tokio::spawn).collect();
    for client in clients {
        let came_in = client.await.unwrap().expect("a client that dribbles is cut off");
        trial.expect(came_in, "a client of the crowd could not connect");
    }
}

/// Runs one client and returns whether it could connect. One in three closes before its response; the others wait until
/// they are cut off.
async fn bad_client(address: String, number: usize) -> bool {
    let Ok(mut connection) = TcpStream::connect(&address).await else { return false };
    if number.is_multiple_of(3) {
        let request = "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
        return connection.write_all(request.as_bytes()).await.is_ok();
    }
    connection.write_all(b"POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\nx-slow: ").await.ok();
    let mut answer = [0; 1_024];
    while let Err(_) | Ok(Ok(1..)) = timeout(BYTE_INTERVAL, connection.read(&mut answer)).await {
        if connection.write_all(b"a").await.is_err() {
            break;
        }
    }
    true
}
