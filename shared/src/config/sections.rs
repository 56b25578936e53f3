//! The sections of the settings. `config.default.toml` documents every setting (a test checks), and holds its default.
#![expect(missing_docs, reason = "the documentation of a setting stands once")]

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::networks::Networks;
use crate::records::Limits;
use crate::words;

/// The documented defaults, `config.default.toml`.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");

/// The process or command that reads the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Ingress, worker and admin API in one.
    Standalone,
    Ingress,
    Worker,
    /// The admin API.
    Console,
    /// A command on the installation's database, which ends by itself.
    Command,
}

impl Process {
    /// The name of a long-running process, in commands, metrics and traces; `None` for a command.
    pub const fn runs_on(self) -> Option<&'static str> {
        match self {
            Self::Standalone => Some("standalone"),
            Self::Ingress => Some("ingress"),
            Self::Worker => Some("worker"),
            Self::Console => Some("console"),
            Self::Command => None,
        }
    }
}

/// Every setting of a process.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub data: DataConfig,
    pub database: DatabaseConfig,
    pub broker: BrokerConfig,
    pub seal: SealConfig,
    pub ingress: IngressConfig,
    pub worker: WorkerConfig,
    pub retention: RetentionConfig,
    pub operations: OperationsConfig,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
    #[serde(skip)]
    pub clinics: Vec<ClinicSeed>,
    /// Variables that Kubernetes has set for its Services, and that are not settings.
    #[serde(skip)]
    pub service_links: Vec<String>,
}

impl Config {
    /// The URL of the database: the setting, or the embedded database in the data folder.
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
    pub dir: PathBuf,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
pub struct DatabaseConfig {
    pub url: SecretString,
    pub allow_cleartext: bool,
    pub max_connections: u32,
    pub connect_timeout_s: u64,
}

/// `[seal]`: the keys for secrets and Aadhaar numbers at rest.
#[derive(Debug, Clone, Deserialize)]
pub struct SealConfig {
    pub keys: SecretString,
    pub key_file: PathBuf,
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize)]
pub struct BrokerConfig {
    pub url: SecretString,
    pub allow_cleartext: bool,
    pub prefix: String,
    pub partitions: NonZero<u16>,
    pub connect_timeout_s: u64,
    pub publish_timeout_ms: u64,
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
    pub fn kind(&self) -> BrokerKind {
        if self.url.expose_secret() == "embedded" { BrokerKind::Embedded } else { BrokerKind::RabbitMq }
    }

    /// The timeout of a confirm.
    pub fn publish_timeout(&self) -> Duration {
        Duration::from_millis(self.publish_timeout_ms)
    }
}

/// `[ingress]`
#[derive(Debug, Clone, Deserialize)]
pub struct IngressConfig {
    pub listen: SocketAddr,
    pub result_timeout_ms: u64,
    pub batch_result_timeout_ms: u64,
    pub rate_per_minute: u32,
    pub rate_burst: u32,
    pub rate_records_per_token: u32,
    pub max_body_bytes: usize,
    pub max_batch_body_bytes: usize,
    pub max_header_bytes: usize,
    pub max_header_fields: usize,
    pub header_timeout_s: u64,
    pub body_timeout_s: u64,
    pub request_timeout_s: u64,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub first_byte_timeout_s: u64,
    pub max_requests: usize,
    pub trust_traceparent: bool,
    pub trusted_proxies: Networks,
    pub max_clock_skew_s: u32,
    pub max_long_text_bytes: usize,
    pub clinics_refresh_interval_s: u64,
}

impl IngressConfig {
    /// The limits of the field rules.
    pub fn record_limits(&self) -> Limits {
        Limits {
            max_clock_skew: TimeDelta::seconds(self.max_clock_skew_s.into()),
            max_long_text_bytes: self.max_long_text_bytes,
        }
    }
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
pub struct WorkerConfig {
    pub concurrency: usize,
    pub batch_size: usize,
    pub max_batch_bytes: usize,
    pub parent_timeout_s: u64,
    pub sweep_interval_s: u64,
}

/// `[retention]`: the age at which settled rows are deleted. A row is not kept longer than the row that it refers to.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RetentionConfig {
    pub events_days: u32,
    pub batches_days: u32,
    pub settled_letters_days: u32,
    pub audit_days: u32,
    pub scan_interval_s: u64,
}

/// The duration of a number of days; `None` if it means forever.
pub fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(24 * u64::from(days)))
}

/// `[operations]`
#[derive(Debug, Clone, Deserialize)]
pub struct OperationsConfig {
    pub listen: SocketAddr,
}

impl OperationsConfig {
    /// Whether it is the default address, which another process of this machine may occupy.
    pub fn is_default(&self) -> bool {
        let section = DEFAULTS.split_once("[operations]").map_or("", |(_, section)| section);
        section.contains(&format!("listen = \"{}\"", self.listen))
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
pub struct TelemetryConfig {
    pub otlp_endpoint: String,
    pub sample_ratio: f64,
    pub measure_interval_s: u64,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: LogLevel,
}

words! {
    /// The format of a log line.
    LogFormat {
        /// Text, for people.
        Text = "text",
        /// JSON, for machines.
        Json = "json",
    }
}

words! {
    /// The level of a log line.
    LogLevel {
        /// Failures.
        Error = "error",
        /// Conditions that an operator should examine.
        Warn = "warn",
        /// One line per request.
        Info = "info",
        /// One line per batch.
        Debug = "debug",
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
