//! The embedded queue under random disk failures: after a kill, another process finds every confirmed message. The
//! failing part runs in a separate process, because the failing library must be preloaded.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::{BatchLimit, Broker as _, Queue};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::harness::{CLINIC, DiskFault, FaultyDisk, assigned, until};

/// Number of seeds. Each has a process, and two of them run at a time.
const SEEDS: u64 = 6;

const ROUNDS: usize = 60;

/// Every second process is killed at a random moment, at most this long after its first messages.
const LONGEST_MS: u64 = 4_000;

#[tokio::test]
async fn confirmed_messages_are_found_by_another_process() {
    for seeds in (0..SEEDS).collect::<Vec<_>>().chunks(2) {
        join_all(seeds.iter().map(|seed| confirmed_is_found(*seed))).await;
    }
}

async fn confirmed_is_found(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let (journal, data) = (folder.path().join("journal"), folder.path().join("data"));
    let disk = FaultyDisk::below(&data);
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "disk::queue::on_a_failing_disk", "--ignored", "--nocapture"])
        .envs(disk.settings())
        .env("TEST_FOLDER", folder.path())
        .env("TEST_SEED", seed.to_string())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines = |beginning: &str| read(&journal).iter().filter(|line| line.starts_with(beginning)).count();
    if seed.is_multiple_of(2) {
        until("the process has finished", async || (lines("done") > 0).then_some(())).await;
    } else {
        until("messages are confirmed", async || (lines("confirmed") > 20).then_some(())).await;
        sleep(Duration::from_millis(StdRng::seed_from_u64(seed).random_range(0..LONGEST_MS))).await;
    }
    process.kill().await.unwrap();
    let journaled = read(&journal);
    let confirmed: Vec<_> = journaled.iter().filter_map(|line| line.strip_prefix("confirmed ")).collect();
    assert!(confirmed.len() > 10, "seed {seed}: {journaled:?}");
    let found = found(&data).await;
    let is_settled = |number: &str| journaled.contains(&format!("settled {number}"));
    let lost: Vec<_> = confirmed
        .iter()
        .filter(|number| !found.contains(&format!("{number}:")) && !is_settled(number))
        .collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:?} of {} were confirmed and are not there", confirmed.len());
    if journaled.contains(&"done".to_owned()) {
        let kept: Vec<_> = confirmed
            .iter()
            .filter(|number| found.contains(&format!("{number}:")) && is_settled(number))
            .collect();
        assert!(kept.is_empty(), "seed {seed}: {kept:?} were settled and are redelivered");
    }
}

fn read(journal: &Path) -> Vec<String> {
    std::fs::read_to_string(journal).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// First words of the messages in the queue.
async fn found(data: &Path) -> Vec<String> {
    let database = Database::connect(format!("sqlite://{}", data.join("queue.db").display())).await.unwrap();
    let bodies = Statement::from_string(DbBackend::Sqlite, "SELECT body FROM messages");
    let rows = database.query_all(bodies).await.unwrap();
    let bodies = rows.iter().map(|row| String::from_utf8(row.try_get_by("body").unwrap()).unwrap());
    bodies.map(|body| format!("{}:", body.split(':').next().unwrap())).collect()
}

#[tokio::test]
#[ignore = "the part of the test above that runs on the failing disk"]
async fn on_a_failing_disk() {
    #[expect(clippy::disallowed_methods, reason = "it is no setting of the program")]
    let [folder, seed] = ["TEST_FOLDER", "TEST_SEED"].map(|name| std::env::var(name).unwrap());
    let folder = PathBuf::from(folder);
    let (mut random, disk) = (StdRng::seed_from_u64(seed.parse().unwrap()), FaultyDisk::inherited());
    let mut journal = File::create(folder.join("journal")).unwrap();
    let queue = Embedded::open(&folder.join("data")).await.unwrap();
    let mut consumer = queue.consume(Queue::Live, messages(3), assigned([0]));
    let mut last = 0;
    let mut publish = async |journal: &mut File, count: u64, bytes: usize| {
        let numbers = last + 1..=last + count;
        last += count;
        let publishing = numbers.map(async |number| {
            let body = format!("{number}:{}", "x".repeat(bytes));
            (number, queue.publish(Queue::Live, CLINIC, body.into()).await.is_ok())
        });
        let mut confirmed = 0;
        for (number, _) in join_all(publishing).await.into_iter().filter(|(_, is_confirmed)| *is_confirmed) {
            writeln!(journal, "confirmed {number}").unwrap();
            confirmed += 1;
        }
        confirmed
    };
    for _ in 0..ROUNDS {
        let failing = if random.random_ratio(1, 4) { i32::MAX } else { random.random_range(1..=4) };
        disk.fails_later(*DiskFault::ALL.choose(&mut random).unwrap(), random.random_range(0..9), failing);
        // The later messages meet remaining failures, or a disk that works.
        publish(&mut journal, random.random_range(1..6), random.random_range(0..20_000)).await;
        publish(&mut journal, random.random_range(1..3), random.random_range(0..1_000)).await;
        if random.random_bool(0.5) {
            disk.works();
            publish(&mut journal, 2, 10).await;
        }
        if let Ok(taken) = timeout(Duration::from_millis(30), consumer.next()).await {
            let is_settled = random.random_bool(0.5);
            for delivery in taken.iter().filter(|_| is_settled) {
                let body = std::str::from_utf8(&delivery.body).unwrap();
                writeln!(journal, "settled {}", body.split(':').next().unwrap()).unwrap();
            }
            if is_settled { consumer.ack().await.unwrap_or_default() } else { consumer.requeue().await }
        }
    }
    disk.works();
    until("messages are confirmed again", || async { queue.is_connected().then_some(()) }).await;
    assert_eq!(publish(&mut journal, 20, 10).await, 20);
    consumer.close().await;
    // Messages that were taken and returned are redelivered without a restart, and their delivery is not counted.
    let mut consumer = queue.consume(Queue::Live, messages(10_000), assigned([0]));
    let deliveries = consumer.next().await;
    assert!(
        deliveries.iter().all(|delivery| delivery.redeliveries == 0),
        "requeued messages were counted as redelivered"
    );
    consumer.close().await;
    writeln!(journal, "done").unwrap();
    std::future::pending::<()>().await;
}

const fn messages(messages: usize) -> BatchLimit {
    BatchLimit { messages, bytes: usize::MAX }
}
