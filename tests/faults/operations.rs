//! Operational events: rolling restarts, and clocks that disagree.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::harness::clock_library;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

pub(crate) fn all() -> Vec<Fault> {
    vec![
        fault("rolling restart of everything: SIGTERM", |servers, play| rolling(servers, play).boxed_local()),
        fault("clock of one ingress moved: its own order holds", |servers, play| {
            clock_moved(servers, play).boxed_local()
        }),
    ]
}

/// Each of two ingresses and three workers is stopped and started again.
async fn rolling(servers: &mut Servers, play: Play) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 2, 3).await;
    trial.under_load().await;
    for _ in 0..play.choose(1, 6) {
        for _ in 0..3 {
            let ended = trial.workers.remove(0).stop().await;
            trial.expect(ended.success, "a worker did not stop without an error");
            trial.has_ended(&ended);
            trial.start_worker(&[]).await;
        }
        for number in 0..2 {
            trial.restart_ingress(number).await;
        }
    }
    trial.lifted().await;
    trial.judge(servers).await
}

/// The clock of one of two ingresses jumps. CareQ's time stamps are unaffected. The simulator sends all versions of a
/// patient without time stamps to the same ingress, whose own stamps must rise. No order is guaranteed between ingresses
/// whose clocks disagree.
async fn clock_moved(servers: &mut Servers, play: Play) -> Row {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    let moved = [
        ("LD_PRELOAD", clock_library().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Timeouts use the monotonic clock, which stays correct.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let moved: Vec<_> = moved.iter().map(|(name, value)| (*name, value.as_str())).collect();
    trial.start_ingress(&["ingress"], &moved).await;
    trial.under_load().await;
    for offset in ["+5m", "-5m", "+30d", "-1d", "+2m"] {
        std::fs::write(&clock, offset).unwrap();
        tokio::time::sleep(play.choose(Duration::from_millis(600), Duration::from_secs(6))).await;
    }
    let is_moved = trial.ingresses[1].process.stderr().lines().any(|line| !line.contains(&today()));
    trial.expect(is_moved, "the clock was not moved");
    trial.lifted().await;
    trial.judge(servers).await
}

/// The date, as in every line of a log.
fn today() -> String {
    careq_shared::clock::now().date_naive().to_string()
}
