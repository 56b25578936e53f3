//! Faults of partitions: their workers come and go, or the queue of one fails.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use careq_shared::broker::Queue;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Client, Exposition, Process, patient};
use crate::processes::{TOKEN, probes};
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

/// Maximum time until the running workers have shared the partitions. The row of a paused or killed worker counts for six
/// seconds. A new worker counts when it has renewed its row, after two seconds.
const SHARED_WITHIN: Duration = Duration::from_secs(8);

/// The same for a worker that continues, whose connections were closed.
const CONTINUED_WITHIN: Duration = Duration::from_secs(20);

/// Time between two looks at the consumers.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Time for which a worker is paused. Its connections to RabbitMQ are closed before, for lack of heartbeats.
const PAUSE: Duration = Duration::from_secs(30);

/// `careq_id` of the first patient of the other clinics.
const FIRST: i64 = 3_000_000_000;

pub(crate) fn all() -> Vec<Fault> {
    vec![
        fault("workers scaled from 1 to 4 and back, two killed", |servers, play| {
            scaled(servers, play).boxed_local()
        }),
        fault("worker paused for 30 s: SIGSTOP, SIGCONT", |servers, play| {
            paused(servers, play).boxed_local()
        }),
        fault("broker deletes the queue of one partition", |servers, play| {
            queue_deleted(servers, play).boxed_local()
        }),
        fault("broker: the queue of one partition is silent", |servers, play| {
            queue_silent(servers, play).boxed_local()
        }),
    ]
}

/// Three workers are added to one, two of the four are killed at the same time, and one is stopped.
async fn scaled(servers: &Servers, play: Play) -> Row {
    // With one consumer each, every worker has partitions.
    let concurrency = [("CAREQ_WORKER_CONCURRENCY", "1")];
    let mut trial = Trial::full_with(servers, play.load(20), (1, 1), &concurrency).await;
    trial.under_load().await;
    for _ in 0..play.choose(1, 4) {
        for _ in 0..3 {
            trial.start_worker(&[]).await;
        }
        share_within(SHARED_WITHIN, "partitions shared by four workers", servers, &mut trial).await;
        let killed = [1, 1].map(|second| trial.workers.remove(second));
        let killed_at = Instant::now();
        for ended in join_all(killed.map(Process::kill)).await {
            trial.has_ended(&ended);
        }
        let rest = SHARED_WITHIN.saturating_sub(killed_at.elapsed());
        share_within(rest, "partitions of two killed workers taken over", servers, &mut trial).await;
        let ended = trial.workers.remove(0).stop().await;
        trial.expect(ended.success, "a worker did not stop without an error");
        trial.has_ended(&ended);
        share_within(SHARED_WITHIN, "partitions of a stopped worker taken over", servers, &mut trial).await;
    }
    trial.lifted().await;
    trial.judge(servers).await
}

/// One of two workers is paused in the middle of its work, and continues when the other one has its partitions.
async fn paused(servers: &Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(12), 1, 2).await;
    trial.under_load().await;
    let paused_at = Instant::now();
    trial.workers[0].pause().await;
    let has_all = async |trial: &Trial| is_assigned(&trial.workers[1], trial.partitions().get()).await;
    holds_within(SHARED_WITHIN, "partitions of a paused worker taken over", &mut trial, has_all).await;
    tokio::time::sleep(PAUSE.saturating_sub(paused_at.elapsed())).await;
    trial.workers[0].resume().await;
    share_within(CONTINUED_WITHIN, "partitions shared with it again", servers, &mut trial).await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// The queue of the first partition is deleted several times while nothing is sent to it.
async fn queue_deleted(servers: &Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(2), 1, 2).await;
    trial.lifted().await;
    let first = [trial.queue_names(Queue::Live).swap_remove(0)];
    let deleting = async {
        for _ in 0..play.choose(3, 20) {
            servers.rabbitmq.delete_queues(&first).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        servers.rabbitmq.delete_queues(&first).await;
    };
    others_are_answered_during(&mut trial, deleting).await;
    trial.begin_load();
    trial.lifted().await;
    let is_noticed = trial.a_worker_logged("reading from RabbitMQ was interrupted");
    trial.expect(is_noticed, "no worker lost its consumer");
    trial.judge(servers).await
}

/// The queue of the first partition confirms and delivers nothing for a while, like one without a leader.
async fn queue_silent(servers: &Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(8), 1, 2).await;
    trial.under_load().await;
    let first = trial.queue_names(Queue::Live).swap_remove(0);
    let silent = async {
        control_leader(servers, &first, "suspend").await;
        tokio::time::sleep(play.choose(Duration::from_secs(4), Duration::from_secs(30))).await;
        control_leader(servers, &first, "resume").await;
    };
    others_are_answered_during(&mut trial, silent).await;
    trial.lifted().await;
    let report = trial.report().await;
    trial.expect(report.answers(503) > 0, "CareQ never received 503");
    trial.conclude(servers, &report).await
}

/// Suspends or resumes the process that leads a queue (Erlang manual, `sys`).
async fn control_leader(servers: &Servers, queue: &str, function: &str) {
    let call = format!(
        "[sys:{function}(element(1, amqqueue:get_pid(Q))) || Q <- rabbit_amqqueue:list(), \
         element(4, amqqueue:get_name(Q)) =:= <<\"{queue}\">>]."
    );
    let returned = servers.rabbitmq.control(&["eval", &call]).await;
    assert!(returned.trim().ends_with("[ok]"), "{function} {queue}: {returned}");
}

/// Sends webhooks of a clinic in each partition except the first, during a fault of the first. Each must be accepted, and nearly
/// each must be stored at once, which the status 201 says.
async fn others_are_answered_during(trial: &mut Trial, fault: impl Future<Output = ()>) {
    let clinics = probes(trial.partitions()).split_off(1);
    let client = Client::new(trial.ingresses[0].address(), TOKEN);
    let mut answers = BTreeMap::new();
    let sending = async {
        for number in FIRST.. {
            for clinic in &clinics {
                let mut body = patient(number);
                body["clinic_id"] = json!(clinic.id);
                let answer = client.with_token(&clinic.token).try_post("/patient", &body, &[]).await;
                *answers.entry(answer.map(|answer| answer.status)).or_insert(0_u32) += 1;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = sending => {}
        () = fault => {}
    }
    let all: u32 = answers.values().sum();
    let are_accepted = answers.keys().all(|status| matches!(status, Some(200..=202)));
    let are_stored = answers.get(&Some(201)).is_some_and(|stored| stored * 10 >= all * 9);
    let sentence = format!("answers to the clinics of other partitions, by status: {answers:?}");
    trial.expect(are_accepted && are_stored, &sentence);
    trial.notes.push(sentence);
}

/// Waits until the workers have shared the partitions, see [`holds_within`].
async fn share_within(limit: Duration, what: &str, servers: &Servers, trial: &mut Trial) {
    let is_shared = async |trial: &Trial| is_shared(servers, trial).await;
    holds_within(limit, what, trial, is_shared).await;
}

/// Waits until a condition holds, notes the time, and records a problem if it took longer than the limit.
async fn holds_within(limit: Duration, what: &str, trial: &mut Trial, holds: impl AsyncFn(&Trial) -> bool) {
    let began_at = Instant::now();
    let mut is_within = true;
    while is_within && !holds(trial).await {
        tokio::time::sleep(LOOK_INTERVAL).await;
        is_within = began_at.elapsed() < limit;
    }
    trial.expect(is_within, &format!("not within {limit:?}: {what}"));
    trial.notes.push(format!("{what} in {:.1} s", began_at.elapsed().as_secs_f64()));
}

/// Whether every worker has its share of the partitions, and each partition has one consumer.
async fn is_shared(servers: &Servers, trial: &Trial) -> bool {
    let share = trial.partitions().get() / u16::try_from(trial.workers.len()).unwrap();
    for worker in &trial.workers {
        if !is_assigned(worker, share).await {
            return false;
        }
    }
    let consumers = servers.rabbitmq.consumers(&trial.queue_names(Queue::Live)).await;
    consumers.is_some_and(|consumers| consumers.iter().all(|count| *count == 1))
}

/// Whether the consumers of a worker are assigned this number of partitions.
async fn is_assigned(worker: &Process, partitions: u16) -> bool {
    let line = worker.logged("operations: /livez, /readyz and /metrics").await;
    let metrics = Exposition::scrape(line["fields"]["address"].as_str().unwrap()).await;
    let assigned = metrics.sum("careq_sync_assigned_partitions", &[]);
    (assigned - f64::from(partitions)).abs() < 0.5
}
