//! The settings of a process. `config.default.toml` documents them, is embedded, and holds every default. Clippy
//! forbids reading the environment elsewhere.

mod defaults;
mod faults;
mod ingress;
mod layers;
mod process;
mod retention;
mod rules;
mod sections;
mod servers;
mod values;

pub use defaults::DEFAULTS;
pub use faults::Faults;
pub use ingress::IngressConfig;
pub use layers::{load, load_for};
pub use process::Process;
pub use retention::{RetentionConfig, days};
pub use sections::{
    BrokerConfig, BrokerKind, ClinicSeed, Config, DataConfig, DatabaseConfig, LogConfig, LogFormat, LogLevel,
    OperationsConfig, SealConfig, TelemetryConfig, WorkerConfig,
};

#[cfg(test)]
mod tests;
