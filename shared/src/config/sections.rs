//! One struct per concern, and the rules that a value must satisfy. A struct must never hold a default: those stand in
//! `config.default.toml`, where an operator can read them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::defaults::DEFAULTS;
use super::ingress::IngressConfig;
use super::retention::RetentionConfig;

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
