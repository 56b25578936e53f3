//! Shutdown: a process finishes or returns its work within the time stated in `docs/guide/deployment.md`.
//! A rolling restart under load is one of the faults (`tests/faults/operations.rs`).

use std::path::Path;
use std::time::Duration;

use careq_shared::broker::Queue;

use crate::harness::{Backend, FreshDatabase, Stack, patient, until, until_reads};
use crate::overload::half_a_request;
use crate::proxy::{Line, Proxy};

/// Seconds after SIGTERM, as stated in `docs/guide/deployment.md`.
const STATED_S: u64 = 65;

/// Additional time for machines slower than an operator's.
const MAX_SHUTDOWN: Duration = Duration::from_secs(STATED_S + 10);

/// A worker that has begun a batch when the database becomes unreachable.
#[tokio::test]
async fn a_worker_returns_unfinished_work() {
    let line = Proxy::before("127.0.0.1:5432").await;
    let database = FreshDatabase::empty(Backend::Postgres).await;
    let url = database.url.replace(line.server(), &line.address());
    let settings = [("CAREQ_DATABASE_URL", url.as_str()), ("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0")];
    let mut stack = Stack::full(1, &settings).await;
    let consumers = || stack.consumers(Queue::Live);
    until_reads(Duration::from_secs(10), "the worker reads every partition", &vec![1, 1], consumers).await;
    line.set(Line::Down);
    let accepted = stack.client.post("/patient", &patient(1)).await;
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let in_hand = || async {
        (stack.metric("careq_sync_oldest_unprocessed_age_seconds", &[]).await > 0.0).then_some(())
    };
    until("the worker has taken it", in_hand).await;
    assert_eq!(stack.untaken().await, 0);
    stack.stop_workers().await;
    assert_eq!(stack.untaken().await, 1, "the message is in the queue again");
    line.set(Line::Open);
    stack.start_worker().await;
    let event_id = &accepted.body["data"]["event_id"];
    until("another worker stores it", || stack.client.event_is(event_id, "synced")).await;
    stack.finish().await;
}

/// The requests of a process take longer than its time for shutdown.
#[tokio::test]
async fn a_hanging_shutdown_ends_in_time() {
    let settings = [("CAREQ_INGRESS_BODY_TIMEOUT_S", "600"), ("CAREQ_INGRESS_REQUEST_TIMEOUT_S", "700")];
    let stack = Stack::embedded(&settings).await;
    let _unfinished = half_a_request(&stack).await;
    stack.terminate_ingress().await;
    let ended = stack.ended_within(MAX_SHUTDOWN).await;
    assert!(!ended.success, "unfinished requests are a failure");
    assert!(ended.stderr.contains("could not be finished within 60 s"), "{}", ended.stderr);
}

#[test]
fn supervisors_wait_for_the_stated_time() {
    let finishes = 60 * number("cli/src/shutdown.rs", "DRAIN_TIMEOUT: Duration = Duration::from_mins(");
    let last_spans =
        number("shared/src/telemetry/traces/mod.rs", "FLUSH_TIMEOUT: Duration = Duration::from_secs(");
    assert_eq!(finishes + last_spans, STATED_S);
    assert_eq!(number("docs/guide/deployment.md", "ends within "), STATED_S);
    // By default, the slowest request is answered within that time.
    let slowest = number("config.default.toml", "\nheader_timeout_s = ")
        + number("config.default.toml", "\nrequest_timeout_s = ");
    assert!(slowest < finishes, "{slowest} s");

    let mut waits = Vec::new();
    for unit in ["ingress", "worker@", "console"] {
        waits.push(number(&format!("deploy/systemd/careq-sync-{unit}.service"), "\nTimeoutStopSec="));
    }
    // Every process of the compose file uses the shared block.
    let compose = read("docker-compose.yml");
    assert_eq!(compose.matches("<<: *careq-sync").count(), 4, "migrate, ingress, worker, console");
    let common = compose.split("x-careq-sync: &careq-sync\n").nth(1).unwrap().split("\n\n").next().unwrap();
    waits.push(digits(common.split("stop_grace_period: ").nth(1).unwrap()));
    // Kubernetes includes the time before SIGTERM.
    let values = "deploy/helm/careq-sync/values.yaml";
    let grace = number(values, "\nterminationGracePeriodSeconds: ");
    waits.push(grace - number(values, "\nstopDelaySeconds: "));
    assert!(waits.iter().all(|wait| *wait >= STATED_S), "{waits:?}");
}

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// CareQ repeats a request 5, 10 and 20 s after an answer ("Retry Logic"). The connection may be one that waited for a first request
/// since then, or for the next one.
#[test]
fn unused_connections_do_not_close_when_careq_retries() {
    let delays_s = [5, 10, 20];
    let sums_s = [5 + 10, 10 + 20, 5 + 10 + 20];
    for setting in ["first_byte_timeout_s", "header_timeout_s"] {
        let timeout_s = number("config.default.toml", &format!("\n{setting} = "));
        assert!(delays_s.iter().chain(&sums_s).all(|delay_s| timeout_s.abs_diff(*delay_s) >= 2), "{setting}");
    }
}

/// The number that follows these words in a file.
pub(crate) fn number(file: &str, words: &str) -> u64 {
    let text = read(file);
    digits(text.split_once(words).unwrap_or_else(|| panic!("{file} has no {words:?}")).1)
}

fn digits(text: &str) -> u64 {
    text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}
