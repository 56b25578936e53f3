//! Faults of PostgreSQL: stopped, killed, in recovery. Webhooks must be acknowledged during each of them.

use std::time::Duration;

use careq_shared::clock;
use futures_util::FutureExt as _;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DatabaseConnection, Statement};

use crate::proxy::Proxy;
use crate::servers::{Postgresql, Servers};
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

/// Faults that need a second server.
pub(crate) fn failover() -> Vec<Fault> {
    vec![fault("database lost, its standby takes over", |servers, play| {
        standby_takes_over(servers, play).boxed_local()
    })]
}

async fn stopped(servers: &mut Servers, play: Play) -> Row {
    let away = play.choose(Duration::from_secs(3), Duration::from_mins(1));
    let mut trial = Trial::full(servers, play.load(play.choose(12, 18)), 1, 2).await;
    trial.under_load().await;
    servers.postgresql.stop().await;
    let from = clock::now();
    tokio::time::sleep(away).await;
    let to = clock::now();
    trial.expect(trial.stored().await.is_none(), "the database was not down");
    servers.postgresql.start_again().await;
    trial.lifted().await;
    let report = trial.report().await;
    went_on_acknowledging(&mut trial, &report.accepted_between(from, to));
    trial.conclude(servers, &report).await
}

/// At least one webhook was acknowledged in each whole second.
fn went_on_acknowledging(trial: &mut Trial, accepted_per_second: &[u64]) {
    let went_on = !accepted_per_second.is_empty() && accepted_per_second.iter().all(|accepted| *accepted > 0);
    trial.expect(went_on, &format!("acknowledged per second during the fault: {accepted_per_second:?}"));
}

async fn killed(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    for _ in 0..play.choose(1, 5) {
        servers.postgresql.kill().await;
        trial.expect(trial.stored().await.is_none(), "the database was not down");
        servers.postgresql.start_again().await;
    }
    trial.lifted().await;
    trial.judge(servers).await
}

/// The server answers but rejects writes, like a replica before its promotion.
async fn in_recovery(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(12), 1, 2).await;
    trial.under_load().await;
    servers.postgresql.stop().await;
    servers.postgresql.start_in_recovery().await;
    let (from, stored) = (clock::now(), trial.stored().await);
    tokio::time::sleep(play.choose(Duration::from_secs(3), Duration::from_secs(20))).await;
    let to = clock::now();
    trial.expect(stored.is_some() && stored == trial.stored().await, "the database was not in recovery");
    servers.postgresql.promote().await;
    trial.lifted().await;
    let report = trial.report().await;
    went_on_acknowledging(&mut trial, &report.accepted_between(from, to));
    trial.conclude(servers, &report).await
}

/// The server is lost permanently. Its standby has all committed transactions and takes over the address.
async fn standby_takes_over(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(20), 1, 2).await;
    let standby = servers.postgresql.standby().await;
    trial.under_load().await;
    let from = clock::now();
    servers.postgresql.kill().await;
    trial.expect(trial.stored().await.is_none(), "the database was not down");
    standby.promote().await;
    let takes_over = Proxy::at(&servers.postgresql.address(), &standby.address()).await;
    let to = clock::now();
    servers.postgresql = standby;
    trial.lifted().await;
    let report = trial.report().await;
    went_on_acknowledging(&mut trial, &report.accepted_between(from, to));
    let row = trial.conclude(servers, &report).await;
    drop(takes_over);
    row
}

/// The sessions are terminated, as an operator or a pooler does.
async fn sessions_ended(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    let server = servers.postgresql.connect("postgres").await.unwrap();
    let mut ended = 0;
    for _ in 0..play.choose(10, 60) {
        ended += end_sessions(&server).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    trial.expect(ended > 0, "no session was ended");
    trial.lifted().await;
    trial.judge(servers).await
}

/// Terminates the product's sessions and returns their number.
async fn end_sessions(server: &DatabaseConnection) -> usize {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IS NOT NULL AND application_name <> $1";
    let statement =
        Statement::from_sql_and_values(DatabaseBackend::Postgres, end, [Postgresql::OWN_SESSIONS.into()]);
    let rows = server.query_all(statement).await.unwrap();
    rows.iter().filter(|row| row.try_get_by_index(0) == Ok(true)).count()
}
