//! The machine and the versions that were measured.

use std::fmt;

use anyhow::{Context as _, Result};
use careq_shared::clock;
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::installation;

/// Entry for a fact that this machine does not give.
const UNKNOWN: &str = "unknown";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// RFC 3339.
    pub(super) measured_at: String,
    /// Output of `git describe`.
    pub(super) version: String,
    processor: String,
    processors: usize,
    memory_gb: u64,
    kernel: String,
    postgresql: String,
    rabbitmq: String,
    /// Load average of the minute before; near 0 on an idle machine.
    load_before: f64,
}

impl Machine {
    /// # Errors
    /// A file of `/proc` is missing or has an unexpected form, or PostgreSQL cannot be reached.
    pub(crate) async fn this() -> Result<Self> {
        let memory = field("/proc/meminfo", "MemTotal")?.context("/proc/meminfo has MemTotal")?;
        let memory_kb: u64 = memory.trim_end_matches(" kB").parse()?;
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let load_before = load.split(' ').next().context("/proc/loadavg has three averages")?.parse()?;
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let postgresql = PgConnection::connect(&format!("{}/postgres", installation::POSTGRESQL)).await;
        let mut postgresql =
            postgresql.context("PostgreSQL cannot be used; `make servers` installs and starts it")?;
        Ok(Self {
            measured_at: clock::now().to_rfc3339(),
            version: output("git", &["-C", root, "describe", "--always", "--dirty"]).await,
            // Not every architecture has the model name.
            processor: field("/proc/cpuinfo", "model name")?.unwrap_or_else(|| UNKNOWN.to_owned()),
            processors: std::thread::available_parallelism()?.get(),
            memory_gb: memory_kb * 1_024 / 1_000_000_000,
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            postgresql: sqlx::query_scalar("SHOW server_version").fetch_one(&mut postgresql).await?,
            rabbitmq: output("rabbitmqctl", &["--quiet", "version"]).await,
            load_before,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measured_at, version, processor, processors, memory_gb, kernel, .. } = self;
        let Self { postgresql, rabbitmq, load_before, .. } = self;
        write!(
            formatter,
            "Measured at {measured_at}, version {version}, on {processors} processors ({processor}), {memory_gb} GB, Linux {kernel},\n\
             PostgreSQL {postgresql}, RabbitMQ {rabbitmq}, with load, broker and database on the same machine; the load\n\
             average before was {load_before:.2}.\n"
        )
    }
}

/// Value of a field in a file of the form of `/proc/meminfo`.
fn field(file: &str, name: &str) -> Result<Option<String>> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(name));
    Ok(line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())))
}

/// Output of a program that may be missing on this machine.
async fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().await;
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.ok().filter(|output| !output.is_empty()).unwrap_or_else(|| UNKNOWN.to_owned())
}
