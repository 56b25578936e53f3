//! An installation: all parts in one process on the embedded default, or an ingress and workers on PostgreSQL and
//! RabbitMQ.

use std::collections::HashSet;
use std::time::Duration;

use careq_shared::broker::Queue;

use super::broker::{
    PARTITIONS, amqp_url, delete_queues, fresh_prefix, partition_names, queue_consumers, queue_depth,
    queue_of_clinic,
};
use super::{Backend, Client, Ended, Exposition, FreshDatabase, Process, peak_bytes, until};

/// With [`PARTITIONS`], the events of both clinics are in partition 0.
pub(crate) const CLINIC: &str = "clinic_abc";
pub(crate) const TOKEN: &str = "a-token-of-clinic-abc-with-more-than-32-characters";
pub(crate) const OTHER_CLINIC: &str = "clinic_xyz";
pub(crate) const OTHER_TOKEN: &str = "a-token-of-clinic-xyz-with-more-than-32-characters";

/// Seal keys of every test's installation.
pub(crate) const SEAL_KEYS: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const PARTITIONS_SETTING: &str = "CAREQ_BROKER_PARTITIONS";

/// A running installation.
pub(crate) struct Stack {
    pub(crate) client: Client,
    pub(crate) database: FreshDatabase,
    pub(crate) prefix: Option<String>,
    settings: Vec<(String, String)>,
    /// Largest number of partitions that the settings have had.
    partitions: u16,
    ingress: Process,
    workers: Vec<Process>,
    console: Option<Process>,
}

impl Stack {
    /// Starts one process with SQLite and the embedded queue.
    pub(crate) async fn embedded(extra: &[(&str, &str)]) -> Self {
        let database = FreshDatabase::empty(Backend::Sqlite).await;
        let settings = settings(&database, extra);
        let (ingress, partitions) = (start(&[], &settings), partitions(&settings));
        let client = client(&ingress, "careq-sync takes requests").await;
        let workers = Vec::new();
        Self { client, database, prefix: None, settings, partitions, ingress, workers, console: None }
    }

    /// Starts an ingress and a number of workers on PostgreSQL and RabbitMQ.
    pub(crate) async fn full(workers: usize, extra: &[(&str, &str)]) -> Self {
        let database = FreshDatabase::empty(Backend::Postgres).await;
        let prefix = fresh_prefix();
        let mut settings = settings(&database, extra);
        let broker = [("CAREQ_BROKER_URL", amqp_url()), ("CAREQ_BROKER_PREFIX", prefix.clone())];
        settings.splice(0..0, broker.map(|(name, value)| (name.to_owned(), value)));
        let (ingress, partitions) = (start(&["ingress"], &settings), partitions(&settings));
        let client = client(&ingress, "the ingress takes requests").await;
        let mut stack = Self {
            client,
            database,
            prefix: Some(prefix),
            settings,
            partitions,
            ingress,
            workers: Vec::new(),
            console: None,
        };
        for _ in 0..workers {
            stack.start_worker().await;
        }
        stack
    }

    /// Address of the admin API: of the one process, or of a console, which is started if necessary.
    pub(crate) async fn admin_address(&mut self) -> String {
        if self.prefix.is_some() && self.console.is_none() {
            self.console = Some(start(&["console"], &self.settings));
        }
        let process = self.console.as_ref().unwrap_or(&self.ingress);
        let ready = process.logged("the admin API takes requests").await;
        ready["fields"]["address"].as_str().unwrap().to_owned()
    }

    /// Stops the console and waits for its end.
    pub(crate) async fn stop_console(&mut self) {
        if let Some(console) = self.console.take() {
            let ended = console.stop().await;
            assert!(ended.success, "{}", ended.stderr);
            assert_nothing_personal(&ended.stderr);
        }
    }

    pub(crate) async fn start_worker(&mut self) {
        let worker = start(&["worker"], &self.settings);
        worker.logged("the worker takes events").await;
        self.workers.push(worker);
    }

    /// Changes a setting of processes that are started later.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(set, _)| set != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self.partitions = self.partitions.max(partitions(&self.settings));
    }

    /// Settings of the processes.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Starts a worker that crashes at a crash point, see `careq_shared::crash_point`.
    pub(crate) fn crashing_worker(&self, at: &str) -> Process {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = own.chain([("TEST_CRASH_AT", at)]).collect();
        Process::start(&["worker"], &settings)
    }

    /// Runs a command with the installation's settings, asserts its success, and returns its output.
    pub(crate) async fn command(&self, arguments: &[&str], extra: &[(&str, &str)]) -> String {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = own.chain(extra.iter().copied()).collect();
        let ended = Process::run(arguments, &settings).await;
        assert!(ended.success, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// Like [`Stack::command`], with an input.
    pub(crate) async fn command_with_input(&self, arguments: &[&str], input: &str) -> String {
        let own: Vec<_> = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ended = Process::run_with_input(arguments, &own, input).await;
        assert!(ended.success, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// Runs a command with an input, asserts its failure, and returns its log.
    pub(crate) async fn failing_command_with_input(&self, arguments: &[&str], input: &str) -> String {
        let own: Vec<_> = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ended = Process::run_with_input(arguments, &own, input).await;
        assert!(!ended.success, "{arguments:?}: {}", ended.stdout);
        ended.stderr
    }

    /// Runs a command, asserts its failure, and returns its log.
    pub(crate) async fn failing_command(&self, arguments: &[&str], extra: &[(&str, &str)]) -> String {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = own.chain(extra.iter().copied()).collect();
        let ended = Process::run(arguments, &settings).await;
        assert!(!ended.success, "{arguments:?}: {}", ended.stdout);
        ended.stderr
    }

    /// Log of all processes so far.
    pub(crate) fn logged(&self) -> String {
        let others = self.workers.iter().chain(&self.console).map(Process::stderr);
        std::iter::once(self.ingress.stderr()).chain(others).collect::<Vec<_>>().join("\n")
    }

    /// Metrics of the processes, beginning with the ingress.
    pub(crate) async fn metrics(&self) -> Vec<Exposition> {
        let mut expositions = Vec::new();
        for address in self.operations_addresses().await {
            expositions.push(Exposition::scrape(&address).await);
        }
        expositions
    }

    /// Addresses of the operations ports: of the ingress, then of the workers.
    pub(crate) async fn operations_addresses(&self) -> Vec<String> {
        let mut addresses = Vec::new();
        for process in std::iter::once(&self.ingress).chain(&self.workers) {
            addresses.push(operations_address(process).await);
        }
        addresses
    }

    /// Ids of the ingress, the workers and the console.
    pub(crate) fn process_ids(&self) -> Vec<u32> {
        let others = self.workers.iter().chain(&self.console);
        std::iter::once(&self.ingress).chain(others).map(Process::id).collect()
    }

    /// The running workers, in the order of their starts.
    pub(crate) fn workers(&self) -> &[Process] {
        &self.workers
    }

    /// Value of a metric of one worker.
    pub(crate) async fn worker_metric(&self, worker: usize, name: &str) -> f64 {
        let address = operations_address(&self.workers[worker]).await;
        Exposition::scrape(&address).await.sum(name, &[])
    }

    /// Value of a metric, summed over the processes.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().await.iter().map(|exposition| exposition.sum(name, labels)).sum()
    }

    /// Number of webhooks in RabbitMQ that no worker has taken.
    pub(crate) async fn untaken(&self) -> u32 {
        self.waiting_in(Queue::Live).await
    }

    /// Number of ready messages in all partitions of a queue of RabbitMQ.
    pub(crate) async fn waiting_in(&self, queue: Queue) -> u32 {
        queue_depth(&self.partition_names(queue)).await
    }

    /// Number of consumers of each partition of a queue of RabbitMQ.
    pub(crate) async fn consumers(&self, queue: Queue) -> Vec<u32> {
        queue_consumers(&self.partition_names(queue)).await
    }

    fn partition_names(&self, queue: Queue) -> Vec<String> {
        partition_names(self.prefix(), queue, self.partitions)
    }

    /// Name of RabbitMQ's queue with the events of a clinic.
    pub(crate) fn queue_of(&self, queue: Queue, clinic: &str) -> String {
        queue_of_clinic(self.prefix(), queue, clinic, partitions(&self.settings))
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().expect("it is the full stack")
    }

    /// Peak memory of the ingress, in bytes.
    pub(crate) fn ingress_peak_bytes(&self) -> u64 {
        peak_bytes(&self.ingress)
    }

    /// Peak memory of the largest worker, in bytes.
    pub(crate) fn worker_peak_bytes(&self) -> u64 {
        self.workers.iter().map(peak_bytes).max().expect("there is a worker")
    }

    /// Stops all workers, waits for their end, and returns their log.
    pub(crate) async fn stop_workers(&mut self) -> String {
        let mut logged = String::new();
        while !self.workers.is_empty() {
            logged += &self.stop_worker(0).await;
        }
        logged
    }

    /// Stops one worker, waits for its end, and returns its log.
    pub(crate) async fn stop_worker(&mut self, worker: usize) -> String {
        let ended = self.workers.remove(worker).stop().await;
        assert!(ended.success, "{}", ended.stderr);
        assert_nothing_personal(&ended.stderr);
        ended.stderr
    }

    /// Kills one worker (SIGKILL) and waits for its end.
    pub(crate) async fn kill_worker(&mut self, worker: usize) {
        self.workers.remove(worker).kill().await;
    }

    /// Stops the ingress, or the one process, and starts it again.
    pub(crate) async fn restart_ingress(mut self) -> Self {
        self.ingress.terminate().await;
        let (arguments, ready): (&[&str], _) = match self.prefix {
            None => (&[], "careq-sync takes requests"),
            Some(_) => (&["ingress"], "the ingress takes requests"),
        };
        let ended = self.ingress.ended().await;
        assert!(ended.success, "{}", ended.stderr);
        self.ingress = start(arguments, &self.settings);
        self.client = client(&self.ingress, ready).await;
        self
    }

    /// Sends SIGTERM to the ingress without waiting.
    pub(crate) async fn terminate_ingress(&self) {
        self.ingress.terminate().await;
    }

    /// Waits until the queues are empty and stops the installation.
    pub(crate) async fn finish(self) {
        if self.prefix.is_some() {
            for queue in Queue::ALL {
                until(&format!("the {queue} queue is empty"), || async {
                    (self.waiting_in(queue).await == 0).then_some(())
                })
                .await;
            }
        }
        self.stop().await;
    }

    /// Stops the installation, whatever its queues contain.
    pub(crate) async fn stop(mut self) {
        self.stop_workers().await;
        self.stop_console().await;
        self.ingress.terminate().await;
        self.has_ended().await;
    }

    /// Waits for the end of an ingress that was sent SIGTERM, whether it succeeds or not.
    pub(crate) async fn ended_within(self, timeout: Duration) -> Ended {
        self.ingress.ended_within(timeout).await
    }

    /// Waits for the successful end of an ingress that was sent SIGTERM.
    pub(crate) async fn has_ended(self) {
        let ended = self.ingress.ended().await;
        assert!(ended.success, "{}", ended.stderr);
        assert_nothing_personal(&ended.stderr);
        if let Some(prefix) = &self.prefix {
            delete_queues(prefix, self.partitions).await;
        }
    }
}

/// Asserts that a log contains no name, number, address or token of the tests. Names are compared as words, because three
/// letters may also occur in a random id.
fn assert_nothing_personal(log: &str) {
    let is_of_a_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    let words: HashSet<&str> = log.split(|letter| !is_of_a_word(letter)).collect();
    for secret in ["Asha", "Rao", "John", "9000000001", "9876543210", "1234-5678-9012"] {
        assert!(!words.contains(secret), "{secret:?} is in the log:\n{log}");
    }
    for secret in ["john.doe", TOKEN, OTHER_TOKEN] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}

fn settings(database: &FreshDatabase, extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let clinics = format!("{CLINIC}={TOKEN},{OTHER_CLINIC}={OTHER_TOKEN}");
    let partitions = PARTITIONS.to_string();
    let own = [
        ("CAREQ_DATABASE_URL", database.url.as_str()),
        ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
        // All connections come from this machine.
        ("CAREQ_INGRESS_MAX_CONNECTIONS_PER_ADDRESS", "0"),
        // Two debug builds on two busy cores are slower than any installation.
        ("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "20000"),
        ("CAREQ_INGRESS_BATCH_RESULT_TIMEOUT_MS", "20000"),
        ("CAREQ_BROKER_PUBLISH_TIMEOUT_MS", "5000"),
        (PARTITIONS_SETTING, partitions.as_str()),
        ("CAREQ_CLINICS", clinics.as_str()),
        ("CAREQ_LOG_FORMAT", "json"),
        ("CAREQ_SEAL_KEYS", SEAL_KEYS),
    ];
    own.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The number of partitions. Of several values of a setting, the last one counts.
fn partitions(settings: &[(String, String)]) -> u16 {
    let set = settings.iter().rfind(|(name, _)| name == PARTITIONS_SETTING);
    set.expect("it has a default").1.parse().unwrap()
}

fn start(arguments: &[&str], settings: &[(String, String)]) -> Process {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Process::start(arguments, &settings)
}

async fn operations_address(process: &Process) -> String {
    let line = process.logged("operations: /livez, /readyz and /metrics").await;
    line["fields"]["address"].as_str().unwrap().to_owned()
}

async fn client(ingress: &Process, ready: &str) -> Client {
    let address = ingress.logged(ready).await["fields"]["address"].as_str().unwrap().to_owned();
    Client::new(&address, TOKEN)
}
