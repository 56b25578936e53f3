//! Crashes of processes at each crash point, and at arbitrary times.

use std::time::Duration;

use careq_shared::broker::Queue;
use careq_shared::crash_point::CrashPoint;
use futures_util::FutureExt as _;
use sea_orm::ConnectionTrait as _;

use crate::harness::{Process, until};
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

/// SIGABRT (signal(7)).
const ABORTED: i32 = 6;

const OF_INGRESS: [CrashPoint; 2] = [CrashPoint::Validated, CrashPoint::Confirmed];

/// Crash points that a worker passes with every batch. `Claimed` is passed only after a failure, so it has its own fault;
/// the points after it belong to replay and retention.
fn worker_points() -> impl Iterator<Item = CrashPoint> {
    let is_of_worker = |point: &CrashPoint| !OF_INGRESS.contains(point) && *point < CrashPoint::Claimed;
    CrashPoint::ALL.into_iter().filter(is_of_worker)
}

pub(crate) fn all() -> Vec<Fault> {
    let each = worker_points().map(|point| {
        let name = format!("worker killed: {}", point.as_str());
        fault(&name, move |servers, play| worker_killed(servers, play, vec![point]).boxed_local())
    });
    let ingress = OF_INGRESS.map(|point| {
        let name = format!("ingress killed: {}", point.as_str());
        fault(&name, move |servers, play| ingress_killed(servers, play, point).boxed_local())
    });
    let embedded = [CrashPoint::Confirmed, CrashPoint::Persisted, CrashPoint::Reported].map(|point| {
        let name = format!("embedded: all killed: {}", point.as_str());
        fault(&name, move |servers, play| embedded_killed(servers, play, point).boxed_local())
    });
    let mut all = vec![
        fault("worker killed: in every stage, one after the other", |servers, play| {
            worker_killed(servers, play, worker_points().collect()).boxed_local()
        }),
        fault("workers killed wherever they are", |servers, play| {
            workers_killed(servers, play).boxed_local()
        }),
        fault("worker killed at every delivery: its limit", |servers, play| {
            crash_loop(servers, play).boxed_local()
        }),
        fault("worker killed: claimed", |servers, play| claimed_killed(servers, play).boxed_local())
            .in_the_long_form(),
    ];
    all.extend(each.map(Fault::in_the_long_form).chain(ingress).chain(embedded));
    all
}

/// The nth pass of a crash point.
fn at(point: CrashPoint, times: u32) -> String {
    format!("{}:{times}", point.as_str())
}

/// One of two workers crashes at each of these points.
async fn worker_killed(servers: &mut Servers, play: Play, points: Vec<CrashPoint>) -> Row {
    // One second for each crash, and one before the first.
    let load = play.load(1 + points.len() as u64);
    let mut trial = Trial::full(servers, load, 1, 1).await;
    trial.begin_load();
    for point in points {
        trial.start_worker(&[("TEST_CRASH_AT", &at(point, 2))]).await;
        trial.worker_ends(has_crashed).await;
    }
    trial.start_worker(&[]).await;
    trial.lifted().await;
    trial.judge(servers).await
}

async fn ingress_killed(servers: &mut Servers, play: Play, point: CrashPoint) -> Row {
    let mut trial = Trial::full(servers, play.load(1), 0, 2).await;
    trial.start_ingress(&["ingress"], &[("TEST_CRASH_AT", &at(point, 50))]).await;
    trial.begin_load();
    has_crashed(&mut trial.ingresses[0].process).await;
    trial.start_ingress_again(0, &["ingress"]).await;
    trial.lifted().await;
    trial.judge(servers).await
}

async fn embedded_killed(servers: &mut Servers, play: Play, point: CrashPoint) -> Row {
    let mut trial = Trial::embedded(play.load(1), &[("TEST_CRASH_AT", &at(point, 3))]).await;
    trial.begin_load();
    has_crashed(&mut trial.ingresses[0].process).await;
    trial.start_ingress_again(0, &[]).await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// The database rejects some patients for a while, and the worker is killed after it has claimed one for a retry. The
/// attempt counts, and the next one follows when the lease expires.
async fn claimed_killed(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(1), 1, 0).await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                      $$ BEGIN IF NEW.careq_id % 10 = 3 THEN RAISE 'not now'; END IF; RETURN NEW; END $$;
                  CREATE TRIGGER refuse BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION refuse()";
    trial.database.execute_unprepared(refuse).await.unwrap();
    trial.start_worker(&[("TEST_CRASH_AT", CrashPoint::Claimed.as_str())]).await;
    trial.begin_load();
    trial.worker_ends(has_crashed).await;
    trial.database.execute_unprepared("DROP TRIGGER refuse ON patients").await.unwrap();
    trial.start_worker(&[]).await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// One of three workers is killed repeatedly.
async fn workers_killed(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 3).await;
    trial.under_load().await;
    for _ in 0..play.choose(5, 30) {
        let ended = trial.workers.remove(0).kill().await;
        trial.has_ended(&ended);
        trial.start_worker(&[]).await;
        tokio::time::sleep(Duration::from_millis(play.seed * 37 % 200)).await;
    }
    trial.lifted().await;
    trial.judge(servers).await
}

/// Every worker crashes after taking a batch, until RabbitMQ reaches the delivery limit. A working worker then finds all
/// messages.
async fn crash_loop(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(1), 1, 0).await;
    trial.begin_load();
    let mut crashes = 0;
    // RabbitMQ does not count a delivery that had not been sent when the worker crashed, so more crashes than the limit
    // are needed.
    while trial.ready(servers, Queue::Dead).await.is_none_or(|ready| ready.total == 0) {
        crashes += 1;
        assert!(crashes <= 10 * careq_shared::broker::DELIVERY_LIMIT, "RabbitMQ gives nothing up");
        trial.start_worker(&[("TEST_CRASH_AT", CrashPoint::Taken.as_str())]).await;
        trial.worker_ends(has_crashed).await;
    }
    trial.start_worker(&[]).await;
    trial.lifted().await;
    trial.judge(servers).await
}

/// Waits until the process has ended with an abort.
pub(crate) async fn has_crashed(process: &mut Process) {
    let process = std::cell::RefCell::new(process);
    let signal =
        until("the process ends where it should", || async { process.borrow_mut().signalled() }).await;
    assert_eq!(signal, ABORTED, "it ended at its crash point, and not by a fault of its own");
}
