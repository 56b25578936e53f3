//! The machine and the versions that were measured.

use anyhow::{Context as _, Result};
use careq_shared::clock;
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::installation;

/// Entry for a fact that this machine does not give.
const UNKNOWN: &str = "unknown";

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// RFC 3339.
    pub(crate) measured_at: String,
    /// Output of `git describe`.
    pub(crate) version: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gb: u64,
    pub(crate) kernel: String,
    pub(crate) postgresql: String,
    pub(crate) rabbitmq: String,
    /// Load average of the minute before; near 0 on an idle machine.
    pub(crate) load_before: f64,
}

impl Machine {
    /// # Errors
    /// A file of `/proc` is missing or has an unexpected form, or PostgreSQL cannot be reached.
    pub(crate) async fn this() -> Result<Self> {
        let memory = field("/proc/meminfo", "MemTotal")?.context("/proc/meminfo has MemTotal")?;
        let memory_kb: u64 = memory.trim_end_matches(" kB").parse()?;
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let load_before = load.split(' ').next().context("/proc/loadavg has three averages")?.parse()?;
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        // Not every architecture has the model name.
        let processor = field("/proc/cpuinfo", "model name")?.unwrap_or_else(|| UNKNOWN.to_owned());
        Ok(Self {
            measured_at: clock::now().to_rfc3339(),
            version: version().await?,
            processor,
            processors: std::thread::available_parallelism()?.get(),
            memory_gb: memory_kb * 1_024 / 1_000_000_000,
            kernel: kernel.trim().to_owned(),
            postgresql: postgresql().await?,
            rabbitmq: rabbitmq().await,
            load_before,
        })
    }
}

/// Value of a field in a file of the form of `/proc/meminfo`.
fn field(file: &str, name: &str) -> Result<Option<String>> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(name));
    Ok(line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())))
}

async fn version() -> Result<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let described =
        Command::new("git").args(["-C", root, "describe", "--always", "--dirty"]).output().await?;
    Ok(String::from_utf8_lossy(&described.stdout).trim().to_owned())
}

async fn postgresql() -> Result<String> {
    let connection = PgConnection::connect(&format!("{}/postgres", installation::POSTGRESQL)).await;
    let mut connection =
        connection.context("PostgreSQL cannot be used; `make servers` installs and starts it")?;
    Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?)
}

/// Version reported by `rabbitmqctl`, which may be missing on this machine.
async fn rabbitmq() -> String {
    let output = Command::new("rabbitmqctl").args(["--quiet", "version"]).output().await;
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.ok().filter(|version| !version.is_empty()).unwrap_or_else(|| UNKNOWN.to_owned())
}
