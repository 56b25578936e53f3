//! One fault's installation, under load from the simulator, and the judgement at the end. A trial must never count what it
//! has not seen: its numbers are the simulator's.

use std::time::{Duration, Instant};

use careq_shared::entities::event;
use sea_orm::{DatabaseConnection, EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Process, SEAL_KEYS, patient, until};
use crate::processes::{Ingress, SIMULATED, TOKEN, settings, start};
use crate::proxy::Proxy;
use crate::servers::{Postgresql, RabbitMq, Servers};
use crate::table::Row;

/// Events that are stored when the load is said to flow.
const FLOWING: u64 = 40;

/// A service that is not whole by then is stuck.
const WHOLE_WITHIN: Duration = Duration::from_secs(90);

/// The simulator ends by itself long before.
const REPORTED_WITHIN: Duration = Duration::from_mins(40);

/// Where and how hard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) events: u64,
    /// `None` sends as fast as answers come.
    pub(crate) rate_per_second: Option<u32>,
}

/// See the module.
pub(crate) struct Trial {
    pub(crate) to_database: Proxy,
    pub(crate) to_broker: Proxy,
    pub(crate) database: DatabaseConnection,
    pub(crate) prefix: String,
    pub(crate) ingresses: Vec<Ingress>,
    pub(crate) workers: Vec<Process>,
    pub(crate) problems: Vec<String>,
    settings: Vec<(String, String)>,
    load: Load,
    simulator: Option<(Process, Instant)>,
    recovered_in: Option<Duration>,
    database_name: Option<String>,
    folder: TempDir,
}

impl Trial {
    /// Ingresses and workers on PostgreSQL and RabbitMQ, each behind a proxy.
    pub(crate) async fn full(servers: &Servers, load: Load, ingresses: usize, workers: usize) -> Self {
        Self::full_with(servers, load, (ingresses, workers), &[]).await
    }

    /// The same with settings of its own.
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
            settings: settings(&own, extra),
            load,
            simulator: None,
            recovered_in: None,
            database_name: Some(name),
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

    /// Everything in one process, on the embedded default.
    pub(crate) async fn embedded(load: Load, extra: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = || Proxy::before("127.0.0.1:9");
        let own = [("CAREQ_DATA_DIR", folder.path().display().to_string())];
        let url = format!("sqlite://{}", folder.path().join("careq.db").display());
        let settings = settings(&own, &[]);
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
            settings,
            load,
            simulator: None,
            recovered_in: None,
            database_name: None,
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

    /// The simulator begins; returns when events are being stored.
    pub(crate) async fn under_load(&mut self) {
        self.begin_load();
        let before = self.stored().await.unwrap_or_default();
        until("the load flows", || async {
            self.stored().await.filter(|stored| *stored >= before + FLOWING).map(drop)
        })
        .await;
    }

    /// The simulator begins.
    pub(crate) fn begin_load(&mut self) {
        let Load { seed, events, rate_per_second } = self.load;
        let mut arguments: Vec<_> = [
            "simulate",
            "--json",
            "--shuffle",
            "--repeat",
            "8",
            "--orphans",
            "4",
            "--poison",
            "4",
            "--connections",
            "24",
        ]
        .map(str::to_owned)
        .into();
        let options = [
            ("--retry-after", "400ms".to_owned()),
            ("--timeout", "8s".to_owned()),
            ("--settle-within", "90s".to_owned()),
            ("--seed", seed.to_string()),
            ("--events", events.to_string()),
            ("--database-url", self.database_url()),
        ];
        arguments
            .extend(rate_per_second.into_iter().flat_map(|rate| ["--rate".to_owned(), rate.to_string()]));
        arguments.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        for ingress in &self.ingresses {
            arguments.extend(["--url".to_owned(), format!("http://{}", ingress.address())]);
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let simulator =
            Process::start(&arguments, &[("CAREQ_CLINICS", SIMULATED), ("CAREQ_SEAL_KEYS", SEAL_KEYS)]);
        self.simulator = Some((simulator, Instant::now()));
    }

    /// Without a proxy in between: the judge must see.
    fn database_url(&self) -> String {
        match &self.database_name {
            None => format!("sqlite://{}", self.folder.path().join("careq.db").display()),
            Some(name) => Postgresql::url(self.to_database.server(), name),
        }
    }

    /// Rows of the ledger; `None` while the database is away.
    pub(crate) async fn stored(&self) -> Option<u64> {
        event::Entity::find().count(&self.database).await.ok()
    }

    /// The fault is over: how long until a new event gets its result again, through every ingress.
    pub(crate) async fn lifted(&mut self) {
        let lifted_at = Instant::now();
        for ingress in &self.ingresses {
            let client = Client::new(ingress.address(), TOKEN);
            let mut body = patient(i64::from(ingress.process.id()));
            body["clinic_id"] = json!("probe");
            while !is_stored(&client, &body).await {
                assert!(
                    lifted_at.elapsed() < WHOLE_WITHIN,
                    "the service is not whole again after {WHOLE_WITHIN:?}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        self.recovered_in = Some(lifted_at.elapsed());
    }

    /// Notes what should have been so.
    pub(crate) fn expect(&mut self, holds: bool, sentence: &str) {
        if !holds {
            self.problems.push(sentence.to_owned());
        }
    }

    /// Seconds since the load began.
    pub(crate) fn load_second(&self) -> usize {
        let began_at = self.simulator.as_ref().map_or_else(Instant::now, |(_, began_at)| *began_at);
        usize::try_from(began_at.elapsed().as_secs()).unwrap()
    }

    /// The simulator's report, when it has checked everything.
    pub(crate) async fn report(&mut self) -> Value {
        let (simulator, _) = self.simulator.take().expect("there was load");
        let ended = simulator.ended_within(REPORTED_WITHIN).await;
        let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|fault| {
            panic!("the simulator gave no report ({fault}):\n{}{}", ended.stdout, ended.stderr)
        });
        if let Some(slowest_ms) = report["answers"]["503"]["slowest_ms"].as_f64() {
            self.expect(slowest_ms < 2_000.0, &format!("503 took {slowest_ms:.0} ms"));
        }
        report
    }

    /// The judgement: the simulator's, the queues', and that nobody needed help.
    pub(crate) async fn judge(mut self, servers: &Servers) -> Row {
        let report = self.report().await;
        self.conclude(servers, &report).await
    }

    pub(crate) async fn conclude(mut self, servers: &Servers, report: &Value) -> Row {
        if self.database_name.is_some() {
            for queue in ["live", "bulk", "dead"] {
                let name = format!("{}.{queue}", self.prefix);
                until(&format!("{name} is empty"), || async {
                    servers.rabbitmq.depth(&name).await.filter(|depth| *depth == 0).map(drop)
                })
                .await;
            }
        }
        let processes =
            self.workers.into_iter().chain(self.ingresses.into_iter().map(|ingress| ingress.process));
        for mut process in processes {
            let is_running = !process.has_ended();
            let ended = if is_running { process.stop().await } else { process.ended().await };
            if !is_running || !ended.success {
                self.problems
                    .push(format!("a process ended by itself, or badly: {}", last_lines(&ended.stderr)));
            }
            let is_personal = ["@example.com", "a-token-of"].iter().any(|word| ended.stderr.contains(word));
            if is_personal {
                self.problems.push("a log holds personal data".to_owned());
            }
        }
        self.database.close().await.ok();
        if let Some(name) = &self.database_name {
            servers.postgresql.drop_database(name).await;
            servers.rabbitmq.delete_queues(&self.prefix).await;
        }
        Row::of(report, self.recovered_in, self.problems)
    }
}

/// Whether an event gets its result, and not only its acknowledgement.
async fn is_stored(client: &Client, body: &Value) -> bool {
    let answer = client.try_post("/patient", body, &[("Prefer", "wait=2")]).await;
    answer.is_some_and(|answer| matches!(answer.status, 200 | 201))
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
