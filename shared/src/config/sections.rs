//! One struct per concern, and the rules that a value must satisfy. A struct must never hold a default: those stand in
//! `config.default.toml`, where an operator can read them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::ingress::IngressConfig;
use super::layers::DEFAULTS;
use super::retention::RetentionConfig;
use super::servers::Process;
use crate::seal;

/// Every setting of a process.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[data]`
    pub data: DataConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[broker]`
    pub broker: BrokerConfig,
    /// `[seal]`
    pub seal: SealConfig,
    /// `[ingress]`
    pub ingress: IngressConfig,
    /// `[worker]`
    pub worker: WorkerConfig,
    /// `[retention]`
    pub retention: RetentionConfig,
    /// `[operations]`
    pub operations: OperationsConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
    /// `clinics`
    pub clinics: Vec<ClinicSeed>,
    /// Variables of the environment that Kubernetes made for its Services, and that set nothing.
    pub service_links: Vec<String>,
}

impl Config {
    /// The database to connect to: the one that is set, or the embedded one in the data folder.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        if self.database.url.expose_secret().is_empty() {
            format!("sqlite://{}", self.data.dir.join("careq.db").display()).into()
        } else {
            self.database.url.clone()
        }
    }
}

/// `[data]`: where the embedded database, queue and keys live.
#[derive(Debug, Clone, Deserialize)]
pub struct DataConfig {
    /// Made at start if missing.
    pub dir: PathBuf,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
pub struct DatabaseConfig {
    /// `postgres://…`, `sqlite://…`, or empty for SQLite in the data folder.
    pub url: SecretString,
    /// Whether a server beyond this machine may be spoken to without verified TLS.
    pub allow_cleartext: bool,
    /// Connections of one process.
    pub max_connections: u32,
    /// How long a process tries to reach the database at start, in seconds.
    pub connect_timeout_s: u64,
}

/// `[seal]`: what seals secrets and Aadhaar numbers at rest.
#[derive(Debug, Clone, Deserialize)]
pub struct SealConfig {
    /// `NAME:KEY,…`; the first one seals.
    pub keys: SecretString,
    /// A file with the same, a key a line; empty where there is none.
    pub key_file: PathBuf,
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize)]
pub struct BrokerConfig {
    /// `embedded` or `amqp://…`.
    pub url: SecretString,
    /// Whether a server beyond this machine may be spoken to without TLS.
    pub allow_cleartext: bool,
    /// Queues are `{prefix}.live`, `{prefix}.bulk` and `{prefix}.dead`.
    pub prefix: String,
    /// How long a process tries to reach the broker at start, in seconds.
    pub connect_timeout_s: u64,
    /// How long the ingress waits for a confirm before it answers 503, in milliseconds; a batch waits a quarter of it for its turn before.
    pub publish_timeout_ms: u64,
    /// Where RabbitMQ's management API is, for `careq-sync doctor`: `http://…`, `https://…`, empty for its usual port, or
    /// `none`.
    pub management_url: SecretString,
}

/// The two brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// A queue table on SQLite, for one process.
    Embedded,
    /// RabbitMQ.
    RabbitMq,
}

impl BrokerConfig {
    /// Which broker the URL names.
    #[must_use]
    pub fn kind(&self) -> BrokerKind {
        if self.url.expose_secret() == "embedded" { BrokerKind::Embedded } else { BrokerKind::RabbitMq }
    }

    /// See [`BrokerConfig::publish_timeout_ms`].
    #[must_use]
    pub fn publish_timeout(&self) -> Duration {
        Duration::from_millis(self.publish_timeout_ms)
    }
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
pub struct WorkerConfig {
    /// Batches that one process works on at the same time.
    pub concurrency: usize,
    /// Most messages of one batch.
    pub batch_size: usize,
    /// Most bytes of its messages; a single message may be larger.
    pub max_batch_bytes: usize,
    /// How long an event waits for its parent, in seconds.
    pub parent_timeout_s: u64,
    /// How often waiting events are looked through, in seconds.
    pub sweep_interval_s: u64,
}

/// `[operations]`
#[derive(Debug, Clone, Deserialize)]
pub struct OperationsConfig {
    /// `/livez`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
}

impl OperationsConfig {
    /// Whether it is the default address, which an ingress or a worker may find taken.
    #[must_use]
    pub fn is_default(&self) -> bool {
        let section = DEFAULTS.split_once("[operations]").map_or("", |(_, section)| section);
        section.contains(&format!("listen = \"{}\"", self.listen))
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
pub struct TelemetryConfig {
    /// The collector that spans are sent to; empty sends none.
    pub otlp_endpoint: String,
    /// The share of traces that is recorded, from 0 to 1.
    pub sample_ratio: f64,
    /// How often what costs queries is measured, in seconds.
    pub measure_interval_s: u64,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
pub struct LogConfig {
    /// Readable or JSON.
    pub format: LogFormat,
    /// The least important line that is written.
    pub level: LogLevel,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The importance of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// What should be looked at.
    Warn,
    /// One line per request.
    Info,
    /// One line per batch.
    Debug,
}

impl LogLevel {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// A clinic that is made at start if it is missing.
#[derive(Debug, Clone)]
pub struct ClinicSeed {
    /// CareQ's name of the clinic.
    pub clinic_id: String,
    /// Its bearer token; at least 32 characters.
    pub token: SecretString,
}

impl Config {
    /// Sentences about values that are well-formed and yet cannot work.
    pub(super) fn faults(&self, process: Option<Process>) -> Vec<String> {
        let mut faults = self.server_faults(process);
        let mut require = |holds: bool, sentence: &str| {
            if !holds {
                faults.push(sentence.to_owned());
            }
        };
        require(!self.data.dir.as_os_str().is_empty(), "data.dir must not be empty");
        require(!self.broker.prefix.is_empty(), "broker.prefix must not be empty");
        require(self.broker.prefix.len() <= 200, "broker.prefix must be at most 200 bytes");
        require(self.broker.publish_timeout_ms >= 10, "broker.publish_timeout_ms must be at least 10");
        require(self.database.max_connections >= 2, "database.max_connections must be at least 2");
        // SQLite takes at most 32,766 values in a statement, and the widest row has 30.
        require((1..=1_000).contains(&self.worker.batch_size), "worker.batch_size must be from 1 to 1000");
        require(
            (65_536..=67_108_864).contains(&self.worker.max_batch_bytes),
            "worker.max_batch_bytes must be from 65536 to 67108864",
        );
        require((1..=64).contains(&self.worker.concurrency), "worker.concurrency must be from 1 to 64");
        require(
            self.worker.parent_timeout_s <= 315_360_000,
            "worker.parent_timeout_s must be at most 315360000, ten years",
        );
        require(self.worker.sweep_interval_s >= 1, "worker.sweep_interval_s must be at least 1");
        require(
            self.seal.keys.expose_secret().is_empty() || seal::is_well_formed(&self.seal.keys),
            "seal.keys must be NAME:KEY, separated by commas: names of 1 to 32 letters, digits, - and _, keys of 32 bytes in \
             base64, such as `openssl rand -base64 32` prints",
        );
        // A command that needs no key, such as `migrate`, is not asked for one.
        if process.is_some_and(|process| process.runs_on().is_some())
            && let Some(fault) = seal::fault(self)
        {
            require(false, &fault.to_string());
        }
        self.retention.faults(&mut require);
        self.telemetry.faults(&mut require);
        self.ingress.faults(&mut require, self.broker.publish_timeout_ms);
        faults
    }
}

impl TelemetryConfig {
    fn faults(&self, require: &mut impl FnMut(bool, &str)) {
        require((0.0..=1.0).contains(&self.sample_ratio), "telemetry.sample_ratio must be from 0 to 1");
        require(
            (2..=3_600).contains(&self.measure_interval_s),
            "telemetry.measure_interval_s must be from 2 to 3600: each time costs the database four queries",
        );
    }
}
