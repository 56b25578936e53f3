//! Common parts of the tests: new databases and queue prefixes, real processes, and waiting for conditions. It knows no
//! test.

mod broker;
mod collector;
mod database;
mod disk;
mod exposition;
mod http;
mod memory;
mod process;
mod records;
mod signed;
mod stack;
mod test_worker;

pub(crate) use broker::{
    PARTITIONS, amqp_url, assigned, broker_config, channel, clinic_in, delete_queues, fresh_prefix,
    partition_names, queue_depth,
};
pub(crate) use collector::{Collector, Span};
pub(crate) use database::{Backend, FreshDatabase, opened, seal};
pub(crate) use disk::{DiskFault, FaultyDisk};
pub(crate) use exposition::Exposition;
pub(crate) use http::{Answer, Client, fetch, operations, send};
pub(crate) use memory::{MIB, open_files, peak_bytes, resident_bytes};
pub(crate) use process::{Ended, Process, clock_library};
pub(crate) use records::{appointment, doctor, patient, sample, service};
pub(crate) use signed::{Secrets, Signed, hmac, now};
pub(crate) use stack::{CLINIC, OTHER_CLINIC, OTHER_TOKEN, SEAL_KEYS, Stack, TOKEN};
pub(crate) use test_worker::{TestWorker, accept, accept_with_key, deliver, delivery, retention};

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Waits until the condition returns a value. Fails with the description after 30 s.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, condition: impl Fn() -> F) -> T {
    until_within(Duration::from_secs(30), what, condition).await
}

/// Like [`until`], with a given timeout.
pub(crate) async fn until_within<T, F: Future<Output = Option<T>>>(
    timeout: Duration,
    what: &str,
    condition: impl Fn() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < timeout, "waited {timeout:?} until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the function returns the expected value. Fails with the last value.
pub(crate) async fn until_reads<T: PartialEq + Debug, F: Future<Output = T>>(
    timeout: Duration,
    what: &str,
    expected: &T,
    read: impl Fn() -> F,
) {
    let started = Instant::now();
    loop {
        let value = read().await;
        if value == *expected {
            return;
        }
        assert!(started.elapsed() < timeout, "waited {timeout:?} until {what}: {value:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
