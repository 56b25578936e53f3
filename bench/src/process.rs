//! A measured process: starts it, waits until it is ready, reads its use of resources, and stops it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::load;

/// Settings that differ from the defaults: no limits per clinic and address, free ports, and logs that can be parsed.
pub(crate) const SETTINGS: [(&str, &str); 5] = [
    ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
    ("CAREQ_INGRESS_MAX_CONNECTIONS_PER_ADDRESS", "0"),
    ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
    ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
    ("CAREQ_LOG_FORMAT", "json"),
];

/// Log message of a process whose operations port is open.
const OPERATIONS: &str = "operations: /livez, /readyz and /metrics";

/// Time between two reads of the log of a starting process. A start takes some hundred times as long.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Timeout of a start or a stop.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Clock ticks per second: `USER_HZ` of Linux (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// A running process in its own folder.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
    /// Time from the start until the process logged that it is ready, in milliseconds.
    pub(crate) started_in_ms: f64,
    address: Option<String>,
    /// Address of `/metrics`.
    operations: Option<String>,
}

impl Process {
    /// Starts a process in a folder, with these settings as its whole environment, and waits until it logs the message `ready`.
    pub(crate) async fn start(
        folder: TempDir,
        program: &Path,
        arguments: &[&str],
        settings: &[(&str, &str)],
        ready: &str,
    ) -> Result<Self> {
        let log = folder.path().join("log");
        let began_at = Instant::now();
        // The process ends with the bench, even if the bench is killed (prctl(2), `PR_SET_PDEATHSIG`). Its id stays the same.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("the process cannot be started; the bench needs setpriv (util-linux)")?;
        loop {
            let text = std::fs::read_to_string(&log)?;
            if let Some(line) = line(&text, ready) {
                let started_in_ms = began_at.elapsed().as_secs_f64() * 1_000.0;
                let address = address_of(&line);
                let operations = self::line(&text, OPERATIONS).as_ref().and_then(address_of);
                return Ok(Self { child, folder, started_in_ms, address, operations });
            }
            if child.try_wait()?.is_some() || began_at.elapsed() > TIMEOUT {
                bail!("{} {arguments:?} did not start; it has logged:\n{text}", program.display());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Address at which the process accepts requests.
    pub(crate) fn address(&self) -> Result<&str> {
        self.address.as_deref().context("the process does not accept requests")
    }

    /// User and system CPU time used so far, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(self.proc("stat")?)?;
        // The process name in parentheses may contain spaces. `utime` and `stime` are the 14th and 15th fields.
        let (_, fields) = stat.rsplit_once(')').context("proc(5)")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
        Ok(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_S)
    }

    /// Peak memory so far, in MB.
    pub(crate) fn peak_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(self.proc("status")?)?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let peak_kb: u32 = peak.context("proc(5)")?.parse()?;
        Ok(f64::from(peak_kb) * 1_024.0 / 1_000_000.0)
    }

    /// Number of events settled so far, from the metrics, since a query of the database would be additional load.
    pub(crate) async fn settled(&self) -> Result<u64> {
        let is_final = |line: &str| {
            !["waiting", "retrying"].iter().any(|outcome| line.contains(&format!("outcome=\"{outcome}\"")))
        };
        self.metric("careq_sync_results_total", is_final).await
    }

    /// Number of partitions that the consumers of the process are assigned.
    pub(crate) async fn assigned_partitions(&self) -> Result<u64> {
        self.metric("careq_sync_assigned_partitions", |_| true).await
    }

    /// Sum of the samples of a metric that are counted.
    async fn metric(&self, name: &str, is_counted: impl Fn(&str) -> bool) -> Result<u64> {
        let address = self.operations.as_ref().context("the process has metrics")?;
        let text = load::get(address, "/metrics").await?;
        let samples = text.lines().filter(|line| line.starts_with(name) && is_counted(line));
        let values = samples.map(|line| {
            let (_, value) = line.rsplit_once(' ').context("a sample has a value")?;
            anyhow::Ok(value.parse::<u64>()?)
        });
        values.sum()
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(format!("/proc/{}/{file}", self.id()?))
    }

    fn id(&self) -> Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// Stops the process (SIGTERM), waits for its end, and returns its folder.
    pub(crate) async fn stop(mut self) -> Result<TempDir> {
        let signalled = Command::new("kill").args(["-TERM", &self.id()?.to_string()]).status().await?;
        ensure!(signalled.success(), "SIGTERM cannot be sent to the process");
        let ended = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        ended.context("the process does not stop")??;
        Ok(self.folder)
    }
}

fn address_of(line: &Value) -> Option<String> {
    line["fields"]["address"].as_str().map(str::to_owned)
}

/// The first line of a JSON log with this message.
fn line(log: &str, message: &str) -> Option<Value> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["fields"]["message"] == message)
}
