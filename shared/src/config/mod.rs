//! The settings of a process. `config.default.toml` documents them, is embedded, and holds every default. Clippy
//! forbids reading the environment elsewhere.

mod faults;
mod layers;
mod rules;
mod sections;
mod servers;
mod values;

pub use faults::Faults;
pub use layers::{load, load_for};
pub use sections::{
    BrokerConfig, BrokerKind, ClinicSeed, Config, DEFAULTS, DataConfig, DatabaseConfig, IngressConfig,
    LogConfig, LogFormat, LogLevel, OperationsConfig, Process, RetentionConfig, SealConfig, TelemetryConfig,
    WorkerConfig, days,
};

#[cfg(test)]
mod tests;
