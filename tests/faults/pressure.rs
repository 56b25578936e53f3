//! More than can be worked on at once, and clients that never come to an end: nothing that lasts may grow with them.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Process, until};
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::{Load, Trial};
use crate::{Fault, Play, fault};

/// What a process may need more with the whole backlog than with a tenth of it, in bytes.
const MAY_GROW_BYTES: u64 = 24 << 20;

/// How a client dribbles.
const A_LETTER_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn all() -> Vec<Fault> {
    vec![
        fault("backlog before any worker comes", |servers, play| backlog(servers, play).boxed_local()),
        fault("crowd that dribbles, and goes away", |servers, play| crowd(servers, play).boxed_local()),
    ]
}

/// Nobody works while the events are sent; then one worker takes them all.
async fn backlog(servers: &mut Servers, play: Play) -> Row {
    let events = play.choose(4_000, 1_000_000);
    let load = Load { seed: play.seed, events, rate_per_second: None };
    let mut trial = Trial::full(servers, load, 1, 0).await;
    trial.begin_load();
    depth_reaches(servers, &trial, events / 10).await;
    let ingress_before = peak_bytes(&trial.ingresses[0].process);
    depth_reaches(servers, &trial, events * 8 / 10).await;
    let ingress_grew = peak_bytes(&trial.ingresses[0].process) - ingress_before;

    trial.start_worker(&[]).await;
    until("a tenth is stored", || async { trial.stored().await.filter(|stored| *stored > events / 10) })
        .await;
    let worker_before = peak_bytes(&trial.workers[0]);
    trial.lifted().await;
    let report = trial.report().await;
    let worker_grew = peak_bytes(&trial.workers[0]) - worker_before;
    for (process, grew) in [("ingress", ingress_grew), ("worker", worker_grew)] {
        trial.expect(grew < MAY_GROW_BYTES, &format!("the {process} grew by {} MiB", grew >> 20));
    }
    trial.conclude(servers, &report).await
}

/// Hundreds, or thousands, of clients that send half a head, a letter now and then, or leave before their answer.
async fn crowd(servers: &mut Servers, play: Play) -> Row {
    let patience = [("CAREQ_INGRESS_HEADER_TIMEOUT_S", "2")];
    let mut trial = Trial::full_with(servers, play.load(5), (1, 2), &patience).await;
    trial.under_load().await;
    let ingress = &trial.ingresses[0];
    let (files_before, bytes_before) = (open_files(&ingress.process), resident_bytes(&ingress.process));
    let clients = (0..play.choose(400, 4_000)).map(|number| bad_client(ingress.address().to_owned(), number));
    let clients: Vec<_> = clients.map(tokio::spawn).collect();
    for client in clients {
        client.await.unwrap();
    }
    until("the crowd's connections are closed", || async {
        (open_files(&trial.ingresses[0].process) < files_before + 32).then_some(())
    })
    .await;
    let grew = resident_bytes(&trial.ingresses[0].process).saturating_sub(bytes_before);
    trial.expect(grew < MAY_GROW_BYTES, &format!("the ingress kept {} MiB of the crowd", grew >> 20));
    trial.lifted().await;
    trial.judge(servers).await
}

/// One in three leaves before its answer; the others are waited for until they are cut off.
async fn bad_client(address: String, number: usize) {
    let Ok(mut connection) = TcpStream::connect(&address).await else { return };
    if number.is_multiple_of(3) {
        let request = "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(request.as_bytes()).await.ok();
        return;
    }
    connection.write_all(b"POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\nx-slow: ").await.ok();
    let mut answer = [0; 1_024];
    while let Err(_) | Ok(Ok(1..)) = timeout(A_LETTER_EVERY, connection.read(&mut answer)).await {
        if connection.write_all(b"a").await.is_err() {
            return;
        }
    }
}

async fn depth_reaches(servers: &Servers, trial: &Trial, depth: u64) {
    let live = format!("{}.live", trial.prefix);
    loop {
        let ready = servers.rabbitmq.depth(&live).await.unwrap_or_default();
        if u64::from(ready) >= depth {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The most memory that the process ever had, in bytes.
fn peak_bytes(process: &Process) -> u64 {
    status_bytes(process, "VmHWM:")
}

/// The memory that the process has now, in bytes.
fn resident_bytes(process: &Process) -> u64 {
    status_bytes(process, "VmRSS:")
}

/// proc(5), `/proc/[pid]/status`.
fn status_bytes(process: &Process, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn open_files(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap().count()
}
