//! PostgreSQL: stopped, killed, in recovery. Webhooks must be acknowledged all the while.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

pub(crate) fn all() -> Vec<Fault> {
    vec![
        fault("database stopped", |servers, play| stopped(servers, play).boxed_local()),
        fault("database killed and started again", |servers, play| killed(servers, play).boxed_local()),
        fault("database in recovery, then promoted", |servers, play| {
            in_recovery(servers, play).boxed_local()
        }),
        fault("database ends every session", |servers, play| sessions_ended(servers, play).boxed_local()),
    ]
}

async fn stopped(servers: &mut Servers, play: Play) -> Row {
    let away = play.choose(Duration::from_secs(3), Duration::from_mins(1));
    let mut trial = Trial::full(servers, play.load(play.choose(6, 16)), 1, 2).await;
    trial.under_load().await;
    servers.postgresql.stop().await;
    let from = trial.load_second() + 1;
    tokio::time::sleep(away).await;
    let to = trial.load_second();
    servers.postgresql.start_again().await;
    trial.lifted().await;
    let report = trial.report().await;
    let seconds = report["accepted_per_second"].as_array().cloned().unwrap_or_default();
    let away: Vec<_> = seconds.iter().take(to).skip(from).filter_map(serde_json::Value::as_u64).collect();
    let is_acknowledging = !away.is_empty() && away.iter().all(|accepted| *accepted > 0);
    trial.expect(is_acknowledging, &format!("acknowledged per second while the database was away: {away:?}"));
    trial.conclude(servers, &report).await
}

async fn killed(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(3), 1, 2).await;
    trial.under_load().await;
    for _ in 0..play.choose(1, 5) {
        servers.postgresql.kill().await;
        servers.postgresql.start_again().await;
    }
    trial.lifted().await;
    trial.judge(servers).await
}

/// It answers, but nobody may write: a replica that has not taken over yet.
async fn in_recovery(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(3), 1, 2).await;
    trial.under_load().await;
    servers.postgresql.stop().await;
    servers.postgresql.start_in_recovery().await;
    tokio::time::sleep(play.choose(Duration::from_secs(2), Duration::from_secs(20))).await;
    servers.postgresql.promote().await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// As an operator, or a pooler, would.
async fn sessions_ended(servers: &mut Servers, play: Play) -> Row {
    use sea_orm::ConnectionTrait as _;
    let mut trial = Trial::full(servers, play.load(3), 1, 2).await;
    trial.under_load().await;
    let server = servers.postgresql.connect("postgres").await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL";
    for _ in 0..play.choose(10, 60) {
        server.execute_unprepared(end).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    trial.lifted().await;
    trial.judge(servers).await
}
