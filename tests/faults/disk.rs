//! Faults of the embedded default's disk: full or failing for a while.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::harness::DiskFault;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

pub(crate) fn all() -> Vec<Fault> {
    let disk_fault =
        |name, kind| fault(name, move |servers, play| failing(servers, play, kind).boxed_local());
    vec![
        disk_fault("embedded: disk full", DiskFault::Full),
        disk_fault("embedded: disk fails: I/O errors", DiskFault::Io),
        disk_fault("embedded: disk read-only", DiskFault::ReadOnly).in_the_long_form(),
        disk_fault("embedded: disk over its quota", DiskFault::Quota).in_the_long_form(),
    ]
}

/// First one to three calls fail now and then, then all calls fail for a while. Finally the process is killed and started
/// again.
async fn failing(servers: &mut Servers, play: Play, kind: DiskFault) -> Row {
    let (mut trial, disk) = Trial::embedded_on_a_faulty_disk(play.load(5)).await;
    trial.under_load().await;
    for failing in 1..=play.choose(12, 60) {
        disk.fails_later(kind, failing % 7, 1 + failing % 3);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    disk.fails(kind);
    tokio::time::sleep(Duration::from_secs(play.choose(2, 20))).await;
    trial.expect(
        trial.ingresses[0].process.stderr().contains("the embedded queue cannot be written"),
        "the disk error was not logged",
    );
    disk.works();
    trial.lifted().await;
    trial.ingresses[0].process.kill_first().await;
    trial.start_ingress_again(0, &[]).await;
    trial.lifted().await;
    trial.judge(servers).await
}
