//! Clients that never come to an end: nothing that lasts may grow with them.

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

/// So many crowds at most: the first ones fill what the allocator keeps for the next, and one of them must leave nothing that lasts.
const MAX_CROWDS: usize = 8;

/// What a crowd may leave for each of its clients; a connection's buffers are many times as much.
const MAY_KEEP_BYTES_PER_CLIENT: u64 = 1_024;

/// What the ingress takes and gives back for its other work meanwhile.
const MAY_KEEP_BYTES: u64 = MIB;

/// A client that has not been cut off by then never is.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(30);

/// How a client dribbles.
const A_LETTER_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn all() -> Vec<Fault> {
    vec![fault("crowd that dribbles, and goes away", |servers, play| crowd(servers, play).boxed_local())]
}

/// Hundreds, or thousands, of clients that send half a head, a letter now and then, or leave before their answer.
async fn crowd(servers: &mut Servers, play: Play) -> Row {
    let patience = [("CAREQ_INGRESS_HEADER_TIMEOUT_S", "2")];
    let mut trial = Trial::full_with(servers, play.load(8), (1, 2), &patience).await;
    trial.under_load().await;
    crowds(play.choose(400, 4_000), &mut trial).await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// Crowds until one leaves nothing. What leaks grows with each of them.
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

/// They come at once, and it returns when all are gone.
async fn crowd_of(clients: usize, trial: &mut Trial) {
    let address = trial.ingresses[0].address();
    let clients = (0..clients).map(|number| timeout(CUT_OFF_WITHIN, bad_client(address.to_owned(), number)));
    let clients: Vec<_> = clients.map(tokio::spawn).collect();
    for client in clients {
        let came_in = client.await.unwrap().expect("a client that dribbles is cut off");
        trial.expect(came_in, "a client of the crowd did not come in");
    }
}

/// One in three leaves before its answer; the others are waited for until they are cut off. Whether it came in at all.
async fn bad_client(address: String, number: usize) -> bool {
    let Ok(mut connection) = TcpStream::connect(&address).await else { return false };
    if number.is_multiple_of(3) {
        let request = "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
        return connection.write_all(request.as_bytes()).await.is_ok();
    }
    connection.write_all(b"POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\nx-slow: ").await.ok();
    let mut answer = [0; 1_024];
    while let Err(_) | Ok(Ok(1..)) = timeout(A_LETTER_EVERY, connection.read(&mut answer)).await {
        if connection.write_all(b"a").await.is_err() {
            break;
        }
    }
    true
}
