//! Faults of RabbitMQ: killed, blocked or full; it closes connections and channels, or loses its queues.

use std::time::Duration;

use careq_shared::broker::Queue;
use futures_util::FutureExt as _;

use crate::harness::until;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

pub(crate) fn all() -> Vec<Fault> {
    vec![
        fault("broker killed and started again", |servers, play| killed(servers, play).boxed_local()),
        fault("broker blocks publishers: memory alarm", |servers, play| {
            memory_alarm(servers, play).boxed_local()
        }),
        fault("broker queue full: reject-publish", |servers, play| queue_full(servers, play).boxed_local()),
        fault("broker cancels consumers: queues deleted", |servers, play| {
            cancelled(servers, play).boxed_local()
        }),
        fault("broker closes every connection", |servers, play| {
            connections_closed(servers, play).boxed_local()
        }),
        fault("broker closes channels: consumer time-out", |servers, play| {
            channels_closed(servers, play).boxed_local()
        }),
    ]
}

async fn killed(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    servers.rabbitmq.kill().await;
    servers.rabbitmq.recover().await;
    trial.lifted().await;
    let report = trial.report().await;
    trial.expect(report.answers(503) > 0, "CareQ never received 503");
    trial.conclude(servers, &report).await
}

async fn memory_alarm(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    servers.rabbitmq.control(&["set_vm_memory_high_watermark", "0.00001"]).await;
    tokio::time::sleep(play.choose(Duration::from_secs(2), Duration::from_secs(20))).await;
    servers.rabbitmq.control(&["set_vm_memory_high_watermark", "0.6"]).await;
    trial.lifted().await;
    let report = trial.report().await;
    trial.expect(report.answers(503) > 0, "CareQ never received 503");
    trial.conclude(servers, &report).await
}

/// No worker runs, and each queue has a maximum length.
async fn queue_full(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 0).await;
    let pattern = format!("^{}\\.", trial.prefix.replace('.', "\\."));
    let full = ["set_policy", "full", &pattern, r#"{"max-length": 60}"#, "--apply-to", "queues"];
    servers.rabbitmq.control(&full).await;
    trial.begin_load();
    until("a queue is full", || async {
        trial.ready(servers, Queue::Live).await.filter(|ready| ready.max >= 60).map(drop)
    })
    .await;
    tokio::time::sleep(play.choose(Duration::from_secs(1), Duration::from_secs(10))).await;
    trial.start_worker(&[]).await;
    trial.start_worker(&[]).await;
    servers.rabbitmq.control(&["clear_policy", "full"]).await;
    trial.lifted().await;
    let report = trial.report().await;
    trial.expect(report.answers(503) > 0, "CareQ never received 503");
    trial.conclude(servers, &report).await
}

/// The queues are empty, so only the consumers are affected.
async fn cancelled(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(2), 1, 2).await;
    trial.lifted().await;
    servers.rabbitmq.delete_queues(&trial.all_queue_names()).await;
    trial.begin_load();
    trial.lifted().await;
    let is_noticed = trial.a_worker_logged("reading from RabbitMQ was interrupted");
    trial.expect(is_noticed, "no worker lost its consumer");
    trial.judge(servers).await
}

async fn connections_closed(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    for _ in 0..play.choose(2, 6) {
        let before = servers.rabbitmq.connections().await;
        servers.rabbitmq.control(&["close_all_connections", "a fault"]).await;
        let after = servers.rabbitmq.connections().await;
        let are_closed = !before.is_empty() && before.iter().all(|connection| !after.contains(connection));
        trial.expect(are_closed, &format!("not all were closed: {before:?} before, {after:?} after"));
    }
    trial.lifted().await;
    trial.judge(servers).await
}

/// The database is stopped, so batches stay unacknowledged for longer than RabbitMQ allows.
async fn channels_closed(servers: &mut Servers, play: Play) -> Row {
    let short = "application:set_env(rabbit, consumer_timeout, 1000), application:set_env(rabbit, channel_tick_interval, 500).";
    servers.rabbitmq.control(&["eval", short]).await;
    let closed =
        |servers: &Servers| servers.rabbitmq.log().matches("delivery acknowledgement on channel").count();
    let closed_before = closed(servers);
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    servers.postgresql.stop().await;
    tokio::time::sleep(play.choose(Duration::from_secs(4), Duration::from_secs(15))).await;
    servers.postgresql.start_again().await;
    trial.lifted().await;
    let usual = "application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000).";
    servers.rabbitmq.control(&["eval", usual]).await;
    trial.expect(closed(servers) > closed_before, "RabbitMQ closed no channel");
    trial.judge(servers).await
}
