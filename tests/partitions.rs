//! Partitions in a whole installation: workers share them without a coordinator, take over those of an ended worker,
//! and read all of them whatever number each process is set to. No event depends on who reads it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::entities::{
    appointment as appointments, dead_letter, event, parked_event, patient as patients, process,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Backend, Client, FreshDatabase, Stack, amqp_url, appointment, clinic_in, doctor, patient, service, until,
    until_reads, until_within,
};
use crate::proxy::{Line, Proxy};

/// Number of partitions. Each has a clinic.
const PARTITIONS: u16 = 8;

const SETTING: &str = "CAREQ_BROKER_PARTITIONS";

/// Time after which the partitions of an ended worker are read by others, with reserves for slow machines.
const TAKEOVER: Duration = Duration::from_secs(20);

/// A clinic of each partition. With two partitions, half of them are in each.
fn clinics() -> Vec<String> {
    (0..PARTITIONS).map(|partition| clinic_in(partition, PARTITIONS)).collect()
}

fn token(clinic: &str) -> String {
    format!("a-token-of-{clinic}-with-more-than-32-characters")
}

async fn installation(workers: usize, partitions: &str, extra: &[(&str, &str)]) -> Stack {
    let clinics: Vec<_> = clinics().iter().map(|clinic| format!("{clinic}={}", token(clinic))).collect();
    let clinics = clinics.join(",");
    let own = [("CAREQ_CLINICS", clinics.as_str()), (SETTING, partitions)];
    Stack::full(workers, &[&own[..], extra].concat()).await
}

/// Sends an event of a clinic without waiting for its result.
async fn send(client: &Client, path: &str, clinic: &str, mut body: Value) {
    body["clinic_id"] = json!(clinic);
    let client = client.with_token(&token(clinic));
    let answer = client.post_with(path, &body, &[("Prefer", "respond-async")]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
}

/// Sends an event to each clinic.
async fn send_to_all(stack: &Stack, path: &str, body: &Value) {
    for clinic in clinics() {
        send(&stack.client, path, &clinic, body.clone()).await;
    }
}

/// Patients of all clinics in turn.
struct Traffic {
    end: CancellationToken,
    sending: JoinHandle<i64>,
}

impl Traffic {
    fn start(stack: &Stack) -> Self {
        let (client, end) = (stack.client.clone(), CancellationToken::new());
        let ended = end.clone();
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while !ended.is_cancelled() {
                for clinic in clinics() {
                    sent += 1;
                    send(&client, "/patient", &clinic, patient(sent)).await;
                }
            }
            sent
        });
        Self { end, sending }
    }

    /// Ends the traffic and waits until each of its events is stored once.
    async fn end(self, database: &DatabaseConnection) {
        self.end.cancel();
        let sent = self.sending.await.unwrap();
        are_stored(database, sent.unsigned_abs(), sent.unsigned_abs()).await;
    }
}

/// Waits until these numbers of events and patients are stored, and no other event than these waits or has failed.
async fn are_stored(database: &DatabaseConnection, events: u64, patients: u64) {
    let stored = async || {
        let parked = parked_event::Entity::find().count(database).await.unwrap();
        let patients = patients::Entity::find().count(database).await.unwrap();
        (event::Entity::find().count(database).await.unwrap(), patients, parked)
    };
    let expected = (events, patients, 0);
    until_reads(Duration::from_mins(2), "every event is stored", &expected, stored).await;
    assert_eq!(dead_letter::Entity::find().count(database).await.unwrap(), 0);
}

/// Waits until the workers have these numbers of partitions, and each partition has one consumer.
async fn are_assigned(stack: &Stack, expected: &[f64]) {
    let assigned = async || {
        let mut assigned = Vec::new();
        for worker in 0..expected.len() {
            assigned.push(stack.worker_metric(worker, "careq_sync_assigned_partitions").await);
        }
        (assigned, stack.consumers(Queue::Live).await)
    };
    assert_eq!(stack.workers().len(), expected.len());
    let expected = (expected.to_vec(), vec![1; stack.consumers(Queue::Live).await.len()]);
    until_reads(TAKEOVER, "the workers share the partitions", &expected, assigned).await;
}

#[tokio::test]
async fn a_second_worker_takes_half_of_the_partitions() {
    let mut stack = installation(1, "8", &[]).await;
    are_assigned(&stack, &[8.0]).await;
    let traffic = Traffic::start(&stack);
    stack.start_worker().await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    stack.stop_worker(0).await;
    are_assigned(&stack, &[8.0]).await;
    traffic.end(&stack.database.connection).await;
    stack.finish().await;
}

#[tokio::test]
async fn the_partitions_of_a_killed_worker_are_taken_over() {
    let mut stack = installation(2, "8", &[]).await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    let traffic = Traffic::start(&stack);
    stack.kill_worker(0).await;
    are_assigned(&stack, &[8.0]).await;
    traffic.end(&stack.database.connection).await;
    stack.finish().await;
}

/// A worker that reaches the database and not RabbitMQ still renews its row.
#[tokio::test]
async fn a_worker_that_cannot_reach_rabbitmq_gives_up_its_partitions() {
    let mut stack = installation(1, "8", &[]).await;
    let line = Proxy::before("127.0.0.1:5672").await;
    stack.set("CAREQ_BROKER_URL", &amqp_url().replace("127.0.0.1:5672", &line.address()));
    stack.start_worker().await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    let traffic = Traffic::start(&stack);
    line.set(Line::Down);
    are_assigned(&stack, &[8.0, 0.0]).await;
    line.set(Line::Open);
    are_assigned(&stack, &[4.0, 4.0]).await;
    traffic.end(&stack.database.connection).await;
    stack.finish().await;
}

/// Its connections stay open, so RabbitMQ still delivers to it. The others take its partitions for ended.
#[tokio::test]
async fn a_worker_that_was_stopped_for_a_while_goes_on() {
    let stack = installation(2, "8", &[]).await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    let stopped = &stack.workers()[0];
    stopped.pause().await;
    send_to_all(&stack, "/patient", &patient(1)).await;
    until_within(TAKEOVER, "the other worker has all partitions", || async {
        let assigned = stack.worker_metric(1, "careq_sync_assigned_partitions").await;
        (assigned > 7.5).then_some(())
    })
    .await;
    send_to_all(&stack, "/patient", &patient(2)).await;
    stopped.resume().await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    send_to_all(&stack, "/patient", &patient(3)).await;
    are_stored(&stack.database.connection, 24, 24).await;
    stack.finish().await;
}

/// Children are in other partitions than their parents, and each worker is set to another number.
#[tokio::test]
async fn a_changed_number_of_partitions_loses_nothing() {
    let mut stack = installation(0, "2", &[]).await;
    send_to_all(&stack, "/appointment", &appointment(1)).await;
    stack.set(SETTING, "8");
    stack = stack.restart_ingress().await;
    for (path, body) in [("/service", service(1)), ("/doctor", doctor(1)), ("/patient", patient(1))] {
        send_to_all(&stack, path, &body).await;
    }
    stack.start_worker().await;
    stack.set(SETTING, "2");
    stack = stack.restart_ingress().await;
    stack.start_worker().await;
    send_to_all(&stack, "/appointment", &appointment(1)).await;
    send_to_all(&stack, "/patient", &patient(2)).await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    let database = &stack.database.connection;
    are_stored(database, 8 * 5, 8 * 2).await;
    assert_eq!(appointments::Entity::find().count(database).await.unwrap(), 8);
    stack.finish().await;
}

/// A worker learns a larger number from the row of the ingress that publishes to it, and keeps it.
#[tokio::test]
async fn a_running_worker_reads_the_partitions_of_a_larger_number() {
    let mut stack = installation(1, "2", &[]).await;
    are_assigned(&stack, &[2.0]).await;
    stack.set(SETTING, "8");
    stack = stack.restart_ingress().await;
    are_assigned(&stack, &[8.0]).await;
    send_to_all(&stack, "/patient", &patient(1)).await;
    are_stored(&stack.database.connection, 8, 8).await;
    stack.set(SETTING, "2");
    stack = stack.restart_ingress().await;
    send_to_all(&stack, "/patient", &patient(2)).await;
    are_stored(&stack.database.connection, 16, 16).await;
    are_assigned(&stack, &[8.0]).await;
    stack.finish().await;
}

/// Rows as another version may write them: an unknown kind, numbers out of range, and clocks that differ. The first two
/// count as alive until they have not been renewed for six seconds. The last one is of a process that ended long ago.
const FOREIGN_ROWS: &str = "
    INSERT INTO processes (id, kind, host, pid, version, started_at, seen_at, concurrency, partitions, in_flight, events_per_s)
    VALUES (gen_random_uuid(), 'robot', '', -1, '', now(), now() + interval '1 hour', 2000000000, -1, -1, 'NaN'::float8),
           (gen_random_uuid(), 'worker', '', 1, '', now(), now(), 2000000000, -1, 0, 0),
           (gen_random_uuid(), 'worker', '', 1, '', now(), now() - interval '1 hour', -2, 9999, 0, 0)";

#[tokio::test]
async fn a_row_of_a_later_version_disturbs_nothing() {
    let mut stack = installation(0, "8", &[]).await;
    stack.database.connection.execute_unprepared(FOREIGN_ROWS).await.unwrap();
    send_to_all(&stack, "/patient", &patient(1)).await;
    stack.start_worker().await;
    are_assigned(&stack, &[8.0]).await;
    are_stored(&stack.database.connection, 8, 8).await;
    until("the old row is deleted", || async {
        let rows = process::Entity::find().all(&stack.database.connection).await.unwrap();
        rows.iter().all(|row| row.partitions != 9_999).then_some(())
    })
    .await;
    stack.finish().await;
}

#[tokio::test]
async fn the_assignment_stays_while_the_database_is_away() {
    let line = Proxy::before("127.0.0.1:5432").await;
    let database = FreshDatabase::empty(Backend::Postgres).await;
    let url = database.url.replace(line.server(), &line.address());
    let stack = installation(2, "8", &[("CAREQ_DATABASE_URL", &url)]).await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    line.set(Line::Down);
    let (traffic, went_at) = (Traffic::start(&stack), Instant::now());
    let unreadable = "the workers cannot be read from the database; the partitions stay with their consumers";
    until("both workers have logged it", || async {
        (stack.logged().matches(unreadable).count() == 2).then_some(())
    })
    .await;
    // Longer than a process without a renewed row counts as alive.
    until("each row is old", || async { (went_at.elapsed() > Duration::from_secs(8)).then_some(()) }).await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    line.set(Line::Open);
    traffic.end(&database.connection).await;
    are_assigned(&stack, &[4.0, 4.0]).await;
    stack.finish().await;
}

/// Kind, process id, number of consumers and number of partitions of each row.
async fn rows(database: &DatabaseConnection) -> BTreeSet<(String, i64, i32, i32)> {
    let rows = process::Entity::find().all(database).await.unwrap();
    rows.into_iter().map(|row| (row.kind, row.pid, row.concurrency, row.partitions)).collect()
}

#[tokio::test]
async fn each_process_has_a_row_while_it_runs() {
    let mut stack = installation(1, "8", &[("CAREQ_WORKER_CONCURRENCY", "3")]).await;
    stack.admin_address().await;
    let database = stack.database.connection.clone();
    let ids: Vec<_> = stack.process_ids().into_iter().map(i64::from).collect();
    let expected = [("ingress", ids[0], 0, 8), ("worker", ids[1], 3, 8), ("console", ids[2], 0, 0)];
    let mut expected: BTreeSet<_> = expected.map(|row| (row.0.to_owned(), row.1, row.2, row.3)).into();
    let within = Duration::from_secs(10);
    until_reads(within, "each process has its row", &expected, || rows(&database)).await;

    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let first = process::Entity::find().all(&database).await.unwrap();
    for row in &first {
        assert_eq!(
            (row.host.as_str(), row.version.as_str()),
            (hostname.trim_end(), env!("CARGO_PKG_VERSION"))
        );
        let is_recent = clock::since(row.seen_at) < within && row.started_at <= row.seen_at;
        assert!(is_recent, "{row:?}");
    }
    until_within(within, "each row is renewed", || async {
        let rows = process::Entity::find().all(&database).await.unwrap();
        let renewed = |row: &process::Model| {
            first.iter().any(|before| before.id == row.id && before.seen_at < row.seen_at)
        };
        rows.iter().all(renewed).then_some(())
    })
    .await;

    stack.stop_workers().await;
    expected.retain(|row| row.0 != "worker");
    assert_eq!(rows(&database).await, expected, "a worker deletes its row at its end");
    stack.stop_console().await;
    expected.retain(|row| row.0 != "console");
    assert_eq!(rows(&database).await, expected);
    stack.terminate_ingress().await;
    until_reads(within, "no row is left", &BTreeSet::new(), || rows(&database)).await;
    stack.has_ended().await;
}
