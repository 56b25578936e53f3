//! The sections of the settings. Defaults are in `config.default.toml`, where an operator can read them.

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
    /// Variables that Kubernetes has set for its Services, and that are not settings.
    pub service_links: Vec<String>,
}

impl Config {
    /// The URL of the database: the setting, or the embedded database in the data folder.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        if self.database.url.expose_secret().is_empty() {
            format!("sqlite://{}", self.data.dir.join("careq.db").display()).into()
        } else {
            self.database.url.clone()
        }
    }
}

/// `[data]`: the folder of the embedded database, queue and keys.
#[derive(Debug, Clone, Deserialize)]
pub struct DataConfig {
    /// The folder, which is created at start if it is missing.
    pub dir: PathBuf,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
pub struct DatabaseConfig {
    /// `postgres://…`, `sqlite://…`, or empty for SQLite in the data folder.
    pub url: SecretString,
    /// Whether a remote server may be used without verified TLS.
    pub allow_cleartext: bool,
    /// The maximum number of connections of one process.
    pub max_connections: u32,
    /// The time to retry the database at start, in seconds.
    pub connect_timeout_s: u64,
}

/// `[seal]`: the keys for secrets and Aadhaar numbers at rest.
#[derive(Debug, Clone, Deserialize)]
pub struct SealConfig {
    /// `NAME:KEY,…`; the first key seals.
    pub keys: SecretString,
    /// A file with one key per line; empty without a file.
    pub key_file: PathBuf,
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize)]
pub struct BrokerConfig {
    /// `embedded` or `amqp://…`.
    pub url: SecretString,
    /// Whether a remote server may be used without TLS.
    pub allow_cleartext: bool,
    /// The prefix of the queues `{prefix}.live`, `{prefix}.bulk` and `{prefix}.dead`.
    pub prefix: String,
    /// The time to retry the broker at start, in seconds.
    pub connect_timeout_s: u64,
    /// The timeout of a confirm before the ingress answers 503, in milliseconds. A batch first waits a quarter of it
    /// for its admission.
    pub publish_timeout_ms: u64,
    /// The URL of RabbitMQ's management API, for `careq-sync doctor`: `http://…`, `https://…`, empty for the default
    /// port, or `none`.
    pub management_url: SecretString,
}

/// The kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// A queue table on SQLite, for one process.
    Embedded,
    /// RabbitMQ.
    RabbitMq,
}

impl BrokerConfig {
    /// The kind of broker that the URL names.
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
    /// The number of batches that one process works on at the same time.
    pub concurrency: usize,
    /// The maximum number of messages in a batch.
    pub batch_size: usize,
    /// The maximum size of a batch's messages, in bytes; a single message may be larger.
    pub max_batch_bytes: usize,
    /// The time an event waits for its parent, in seconds.
    pub parent_timeout_s: u64,
    /// The interval between two searches of waiting events, in seconds.
    pub sweep_interval_s: u64,
}

/// `[operations]`
#[derive(Debug, Clone, Deserialize)]
pub struct OperationsConfig {
    /// The address of `/livez`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
}

impl OperationsConfig {
    /// Whether it is the default address, which another process of this machine may occupy.
    #[must_use]
    pub fn is_default(&self) -> bool {
        let section = DEFAULTS.split_once("[operations]").map_or("", |(_, section)| section);
        section.contains(&format!("listen = \"{}\"", self.listen))
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
pub struct TelemetryConfig {
    /// The collector of spans; empty = no traces.
    pub otlp_endpoint: String,
    /// The share of recorded traces, from 0 to 1.
    pub sample_ratio: f64,
    /// The interval of measurements that need queries, in seconds.
    pub measure_interval_s: u64,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
pub struct LogConfig {
    /// Text or JSON.
    pub format: LogFormat,
    /// The minimum level.
    pub level: LogLevel,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text, for people.
    Text,
    /// JSON, for machines.
    Json,
}

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Conditions that an operator should examine.
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

/// A clinic that is created at start if it is missing.
#[derive(Debug, Clone)]
pub struct ClinicSeed {
    /// CareQ's name of the clinic.
    pub clinic_id: String,
    /// The bearer token, of at least 32 characters.
    pub token: SecretString,
}
