//! What was measured on, and when: without it a figure says nothing.

use anyhow::{Context as _, Result};
use careq_shared::clock;
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::installation;

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// RFC 3339.
    pub(crate) measured_at: String,
    /// What git calls the tree.
    pub(crate) version: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gb: u64,
    pub(crate) kernel: String,
    pub(crate) postgresql: String,
    pub(crate) rabbitmq: String,
    /// The load average of the minute before: near 0 on a quiet machine.
    pub(crate) load_before: f64,
}

impl Machine {
    pub(crate) async fn this() -> Result<Self> {
        let field = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
        };
        let memory_kb = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0_u64);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            measured_at: clock::now().to_rfc3339(),
            version: version().await?,
            processor: field("/proc/cpuinfo", "model name"),
            processors: std::thread::available_parallelism()?.get(),
            memory_gb: memory_kb * 1_024 / 1_000_000_000,
            kernel: kernel.trim().to_owned(),
            postgresql: postgresql().await?,
            rabbitmq: rabbitmq().await,
            load_before: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        })
    }
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

/// What its own tool says; it may be on another machine.
async fn rabbitmq() -> String {
    let told = Command::new("rabbitmqctl").args(["--quiet", "version"]).output().await;
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    told.ok().filter(|version| !version.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
