//! Installation of one fault: its processes, the proxies of its servers, and its load. A process is started again only
//! where the fault says so.

use std::num::NonZero;
use std::time::{Duration, Instant};

use careq_shared::broker::{Queue, Ready};
use careq_shared::entities::event;
use sea_orm::{DatabaseConnection, EntityTrait as _, PaginatorTrait as _};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Ended, FaultyDisk, Process, partition_names, patient, until};
use crate::load::{Flowing, Load, Report};
use crate::processes::{Ingress, TOKEN, probes, settings, start};
use crate::proxy::Proxy;
use crate::servers::{Postgresql, RabbitMq, Servers};

/// Number of stored events after which the load counts as running.
const FLOWING: u64 = 40;

/// Timeout of the recovery.
const WHOLE_WITHIN: Duration = Duration::from_secs(90);

/// Timeout of a probe, after which it is sent again.
const PROBE_WITHIN: Duration = Duration::from_secs(8);

/// See the module.
pub(crate) struct Trial {
    pub(crate) to_database: Proxy,
    pub(crate) to_broker: Proxy,
    pub(crate) database: DatabaseConnection,
    pub(crate) prefix: String,
    pub(crate) ingresses: Vec<Ingress>,
    pub(crate) workers: Vec<Process>,
    pub(crate) problems: Vec<String>,
    /// Additional measurements.
    pub(crate) notes: Vec<String>,
    /// Logs of processes that have ended.
    pub(crate) logs_of_the_ended: Vec<String>,
    /// Whether requests may be without a response because an ingress was down.
    pub(crate) ingress_was_away: bool,
    pub(crate) recovered_in: Option<Duration>,
    pub(crate) database_name: Option<String>,
    settings: Vec<(String, String)>,
    load: Load,
    flowing: Option<Flowing>,
    folder: TempDir,
}

impl Trial {
    /// Starts ingresses and workers on PostgreSQL and RabbitMQ, each behind a proxy.
    pub(crate) async fn full(servers: &Servers, load: Load, ingresses: usize, workers: usize) -> Self {
        Self::full_with(servers, load, (ingresses, workers), &[]).await
    }

    /// Like [`Trial::full`], with additional settings.
    pub(crate) async fn full_with(
        servers: &Servers,
        load: Load,
        (ingresses, workers): (usize, usize),
        extra: &[(&str, &str)],
    ) -> Self {
        let to_database = Proxy::before(&servers.postgresql.address()).await;
        let to_broker = Proxy::before(&servers.rabbitmq.address()).await;
        let name = servers.postgresql.fresh_database().await;
        let database = servers.postgresql.connect(&name).await.expect("PostgreSQL takes connections");
        let prefix = name.replace('_', ".");
        let own = [
            ("CAREQ_DATABASE_URL", Postgresql::url(&to_database.address(), &name)),
            ("CAREQ_BROKER_URL", RabbitMq::url(&to_broker.address())),
            ("CAREQ_BROKER_PREFIX", prefix.clone()),
        ];
        let mut trial = Self {
            to_database,
            to_broker,
            database,
            prefix,
            ingresses: Vec::new(),
            workers: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            logs_of_the_ended: Vec::new(),
            ingress_was_away: false,
            recovered_in: None,
            database_name: Some(name),
            settings: settings(load.partitions, &own, extra),
            load,
            flowing: None,
            folder: tempfile::tempdir().unwrap(),
        };
        for _ in 0..ingresses {
            trial.start_ingress(&["ingress"], &[]).await;
        }
        for _ in 0..workers {
            trial.start_worker(&[]).await;
        }
        trial
    }

    /// Starts all parts in one process, on the embedded default.
    pub(crate) async fn embedded(load: Load, extra: &[(&str, &str)]) -> Self {
        Self::embedded_in(tempfile::tempdir().unwrap(), load, extra).await
    }

    /// Like [`Trial::embedded`], on a disk that fails on command until the process is started again.
    pub(crate) async fn embedded_on_a_faulty_disk(load: Load) -> (Self, FaultyDisk) {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::below(folder.path());
        (Self::embedded_in(folder, load, &disk.settings()).await, disk)
    }

    async fn embedded_in(folder: TempDir, load: Load, extra: &[(&str, &str)]) -> Self {
        let nowhere = || Proxy::before("127.0.0.1:9");
        let own = [("CAREQ_DATA_DIR", folder.path().display().to_string())];
        let url = format!("sqlite://{}", folder.path().join("careq.db").display());
        let settings = settings(load.partitions, &own, &[]);
        let ingress = Ingress::start(&[], &settings, extra).await;
        let (to_database, to_broker) = tokio::join!(nowhere(), nowhere());
        Self {
            to_database,
            to_broker,
            database: sea_orm::Database::connect(url).await.unwrap(),
            prefix: String::new(),
            ingresses: vec![ingress],
            workers: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            logs_of_the_ended: Vec::new(),
            ingress_was_away: false,
            recovered_in: None,
            database_name: None,
            settings,
            load,
            flowing: None,
            folder,
        }
    }

    pub(crate) async fn start_ingress(&mut self, arguments: &[&str], extra: &[(&str, &str)]) {
        let ingress = Ingress::start(arguments, &self.settings, extra).await;
        self.ingresses.push(ingress);
    }

    pub(crate) async fn start_worker(&mut self, extra: &[(&str, &str)]) {
        let worker = start(&["worker"], &self.settings, extra);
        worker.logged("the worker takes events").await;
        self.workers.push(worker);
    }

    /// Starts an ingress that has ended again.
    pub(crate) async fn start_ingress_again(&mut self, number: usize, arguments: &[&str]) {
        self.ingress_was_away = true;
        let ended = self.ingresses[number].start_again(arguments, &[]).await;
        self.has_ended(&ended.ended().await);
    }

    /// Stops an ingress and starts it again.
    pub(crate) async fn restart_ingress(&mut self, number: usize) {
        self.ingress_was_away = true;
        let (ended, ingress) = self.ingresses.remove(number).restarted(&["ingress"]).await;
        self.ingresses.insert(number, ingress);
        self.expect(ended.success, "an ingress did not stop without an error");
        self.has_ended(&ended);
    }

    /// Waits until the last worker ends by itself.
    pub(crate) async fn worker_ends(&mut self, how: impl AsyncFnOnce(&mut Process)) {
        let mut worker = self.workers.pop().expect("there is a worker");
        how(&mut worker).await;
        self.has_ended(&worker.ended().await);
    }

    /// Keeps the log of an ended process for the judgement.
    pub(crate) fn has_ended(&mut self, ended: &Ended) {
        self.logs_of_the_ended.push(ended.stderr.clone());
    }

    /// Starts the load and returns when events are being stored. The fault begins now.
    pub(crate) async fn under_load(&mut self) {
        self.begin_load();
        let before = self.stored().await.unwrap_or_default();
        until("the load flows", || async {
            self.stored().await.filter(|stored| *stored >= before + FLOWING).map(drop)
        })
        .await;
        self.flowing.as_mut().expect("it has just begun").strikes_now();
    }

    /// Starts the load.
    pub(crate) fn begin_load(&mut self) {
        let addresses = self.ingresses.iter().map(Ingress::address);
        self.flowing = Some(self.load.begin(addresses, self.database_url()));
    }

    /// URL of the database without a proxy, for the check.
    fn database_url(&self) -> String {
        match &self.database_name {
            None => format!("sqlite://{}", self.folder.path().join("careq.db").display()),
            Some(name) => Postgresql::url(self.to_database.server(), name),
        }
    }

    /// Number of partitions of the installation.
    pub(crate) fn partitions(&self) -> NonZero<u16> {
        self.load.partitions
    }

    /// Names of a queue's partitions in RabbitMQ.
    pub(crate) fn queue_names(&self, queue: Queue) -> Vec<String> {
        partition_names(&self.prefix, queue, self.partitions().get())
    }

    /// Names of all queues in RabbitMQ.
    pub(crate) fn all_queue_names(&self) -> Vec<String> {
        Queue::ALL.into_iter().flat_map(|queue| self.queue_names(queue)).collect()
    }

    /// Ready messages of a queue, without unacknowledged ones; `None` if RabbitMQ does not answer.
    pub(crate) async fn ready(&self, servers: &Servers, queue: Queue) -> Option<Ready> {
        servers.rabbitmq.ready(&self.queue_names(queue)).await
    }

    /// Number of rows of the ledger; `None` if the database is down.
    pub(crate) async fn stored(&self) -> Option<u64> {
        event::Entity::find().count(&self.database).await.ok()
    }

    /// Called at the end of the fault. Measures the time until a new event of each partition gets its result through every
    /// ingress.
    pub(crate) async fn lifted(&mut self) {
        let lifted_at = Instant::now();
        let probes = probes(self.partitions());
        for ingress in &self.ingresses {
            let client = Client::new(ingress.address(), TOKEN);
            for clinic in &probes {
                let client = client.with_token(&clinic.token);
                let mut body = patient(i64::from(ingress.process.id()));
                body["clinic_id"] = json!(clinic.id);
                while !is_stored(&client, &body).await {
                    assert!(
                        lifted_at.elapsed() < WHOLE_WITHIN,
                        "the installation has not recovered after {WHOLE_WITHIN:?}"
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        self.recovered_in = Some(lifted_at.elapsed());
    }

    /// Records a problem if a condition does not hold.
    pub(crate) fn expect(&mut self, holds: bool, sentence: &str) {
        if !holds {
            self.problems.push(sentence.to_owned());
        }
    }

    /// Whether a running worker has logged a text.
    pub(crate) fn a_worker_logged(&self, words: &str) -> bool {
        self.workers.iter().any(|worker| worker.stderr().contains(words))
    }

    /// Waits for the simulator's check and returns the report.
    pub(crate) async fn report(&mut self) -> Report {
        let report = self.flowing.take().expect("there was load").report().await;
        self.problems.extend(report.problems(!self.ingress_was_away));
        report
    }
}

/// Whether an event gets its result and not only its acknowledgement.
async fn is_stored(client: &Client, body: &serde_json::Value) -> bool {
    let asking = client.try_post("/patient", body, &[("Prefer", "wait=2")]);
    let answer = tokio::time::timeout(PROBE_WITHIN, asking).await.ok().flatten();
    answer.is_some_and(|answer| matches!(answer.status, 200 | 201))
}
