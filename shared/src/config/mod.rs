//! The settings of a process: documented in `config.default.toml`, which is embedded and holds every default. No setting
//! may be read from anywhere else, and none may exist without a line there.

mod ingress;
mod layers;
mod retention;
mod sections;
mod servers;
mod values;

pub use ingress::IngressConfig;
pub use layers::{DEFAULTS, Faults, load, load_for};
pub use retention::{RetentionConfig, days};
pub use sections::{
    BrokerConfig, BrokerKind, ClinicSeed, Config, DataConfig, DatabaseConfig, LogConfig, LogFormat, LogLevel,
    OperationsConfig, SealConfig, TelemetryConfig, WorkerConfig,
};
pub use servers::Process;

#[cfg(test)]
mod tests;
