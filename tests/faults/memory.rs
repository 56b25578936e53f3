//! Memory limits: processes with the limit of an installation, and processes whose next allocation fails, which aborts
//! them. The limit is set with setrlimit(2), `RLIMIT_DATA`.

use std::ops::Range;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, join};
use reqwest::Method;
use serde_json::{Value, json};

use crate::crashes::has_crashed;
use crate::harness::{Client, MIB, peak_bytes};
use crate::processes::TOKEN;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, batches, fault};

/// Limit of what each process may map. The allocator maps more than it uses.
const LIMIT_BYTES: u64 = 512 * MIB;

/// Limits of resident memory, as in the Helm chart.
const MAX_INGRESS_BYTES: u64 = 192 * MIB;
const MAX_WORKER_BYTES: u64 = 256 * MIB;

/// Records of one batch, each with a text of the maximum length: 6 MB.
const RECORDS: u64 = 100;
const TEXT_BYTES: usize = 60_000;

/// `careq_id` of the first patient.
const FIRST: u64 = 2_000_000_000;

pub(crate) fn all() -> Vec<Fault> {
    vec![
        fault("memory limit: large batches, and hostile ones", |servers, play| {
            limited(servers, play).boxed_local()
        }),
        fault("memory runs out: workers, then the ingress", |servers, play| {
            runs_out(servers, play).boxed_local()
        }),
    ]
}

/// No process ends, and the installation keeps working.
async fn limited(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(8), 1, 2).await;
    for process in trial.workers.iter().chain([&trial.ingresses[0].process]) {
        process.limit_memory(LIMIT_BYTES).await;
    }
    trial.under_load().await;
    let client = Client::new(trial.ingresses[0].address(), TOKEN);
    let sent = play.choose(16, 200);
    join!(batches::fill(&client, 0..sent, batch), hostile(&client, play.choose(2, 30)));
    let peaks = [&trial.ingresses[0].process, &trial.workers[0], &trial.workers[1]].map(peak_bytes);
    let is_within = peaks[0] <= MAX_INGRESS_BYTES && peaks[1].max(peaks[2]) <= MAX_WORKER_BYTES;
    trial.expect(is_within, "a process had more memory than the chart gives it");
    trial.notes.push(format!("ingress and workers: {:?} MiB at most", peaks.map(|bytes| bytes / MIB)));
    trial.lifted().await;
    finish(trial, servers, 0..sent).await
}

/// Each process in turn runs out of memory while it is busy.
async fn runs_out(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(8), 1, 1).await;
    trial.under_load().await;
    let client = Client::new(trial.ingresses[0].address(), TOKEN);
    let rounds = play.choose(1, 6);
    for round in 0..rounds {
        trial.workers[0].limit_memory(0).await;
        batches::fill(&client, 2 * round..2 * round + 1, batch).await;
        trial.worker_ends(has_crashed).await;
        trial.start_worker(&[]).await;

        trial.ingresses[0].process.limit_memory(0).await;
        let again = async {
            // The allocator keeps what it has mapped; larger bodies need more.
            let pressure = async { hostile(&client, usize::MAX).await };
            tokio::select! {
                () = has_crashed(&mut trial.ingresses[0].process) => {}
                () = pressure => {}
            }
            trial.start_ingress_again(0, &["ingress"]).await;
        };
        join!(batches::fill(&client, 2 * round + 1..2 * round + 2, batch), again);
    }
    trial.lifted().await;
    finish(trial, servers, 0..2 * rounds).await
}

async fn finish(mut trial: Trial, servers: &Servers, batches: Range<u64>) -> Row {
    let report = trial.report().await;
    let sent = (batches.end - batches.start) * RECORDS;
    let as_sent = format!(
        "SELECT count(*) FROM patients WHERE clinic_id = 'probe' AND careq_id >= {FIRST} AND notes = repeat('n', {TEXT_BYTES})"
    );
    let lost = sent.saturating_sub(batches::count_within_a_minute(&trial, &as_sent, sent).await);
    trial.conclude(servers, &report).await.and(sent, lost)
}

fn batch(number: u64) -> Value {
    let patient = |careq_id: u64| {
        json!({ "type": "patient", "data": {
            "careq_id": careq_id, "clinic_id": "probe", "first_name": "Large", "last_name": "Patient",
            "phone_number": "9876543210", "notes": "n".repeat(TEXT_BYTES),
        } })
    };
    let first = FIRST + number * RECORDS;
    let records: Vec<_> = (first..first + RECORDS).map(patient).collect();
    json!({ "clinic_id": "probe", "batch_id": format!("large-{number}"), "records": records })
}

/// Concurrent bodies that need much more memory after parsing.
async fn hostile(client: &Client, rounds: usize) {
    let empty_objects = "{\"\":0},".repeat(1_100_000);
    let escapes = format!("\"{}\"", "\\u0041".repeat(1_300_000));
    let lists = "[".repeat(8_000_000);
    let bodies = [empty_objects, escapes, lists].map(|inner| {
        bytes::Bytes::from(format!(
            r#"{{"clinic_id": "probe", "batch_id": "hostile", "records": [{inner}]}}"#
        ))
    });
    for _ in 0..rounds {
        let sent = bodies.iter().cycle().take(12).map(|body| async {
            let request = client.request(Method::POST, "/batch").header("content-type", "application/json");
            // A connection may be reset while the rest of a refused body is sent. Whether a process has ended is judged later.
            let Ok(response) = request.body(body.clone()).send().await else { return };
            // 200: a report in which every record has failed.
            assert!([200, 400, 413, 503].contains(&response.status().as_u16()), "{}", response.status());
        });
        join_all(sent).await;
    }
}
