//! More than can be worked on at once: memory must not grow with it.

use futures_util::FutureExt as _;

use crate::harness::{Process, until};
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::{Load, Trial};
use crate::{Fault, Play, fault};

/// What a process may need more with the whole backlog than with a tenth of it, in bytes.
const MAY_GROW_BYTES: u64 = 24 << 20;

pub(crate) fn all() -> Vec<Fault> {
    vec![fault("backlog before any worker comes", |servers, play| backlog(servers, play).boxed_local())]
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

async fn depth_reaches(servers: &Servers, trial: &Trial, depth: u64) {
    let live = format!("{}.live", trial.prefix);
    loop {
        let ready = servers.rabbitmq.depth(&live).await.unwrap_or_default();
        if u64::from(ready) >= depth {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// The most memory that the process ever had (`VmHWM` in proc(5)), in bytes.
fn peak_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
