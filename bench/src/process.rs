//! A process that is measured: started, waited for, looked at, and ended by its id. It must never outlive the bench.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::load;

/// Beside the defaults: limits by clinic and address would be measured instead, ports must be free, and logs are read here.
pub(crate) const SETTINGS: [(&str, &str); 5] = [
    ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
    ("CAREQ_INGRESS_MAX_CONNECTIONS_PER_ADDRESS", "0"),
    ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
    ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
    ("CAREQ_LOG_FORMAT", "json"),
];

/// What a process logs when its operations port is open.
const OPERATIONS: &str = "operations: /livez, /readyz and /metrics";

/// How often the log of a process that starts is read: a start takes some hundred times as long.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long a start, or an end, may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ticks of a second, `USER_HZ` of every Linux (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// What can be started.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) careq_sync: PathBuf,
    pub(crate) bench: PathBuf,
}

impl Programs {
    /// This program, and the `careq-sync` beside it unless another is given.
    pub(crate) fn find(given: Option<PathBuf>) -> Result<Self> {
        let bench = std::env::current_exe()?;
        let careq_sync = given.unwrap_or_else(|| bench.with_file_name("careq-sync"));
        ensure!(careq_sync.is_file(), "there is no {}; build the whole workspace", careq_sync.display());
        Ok(Self { careq_sync, bench })
    }
}

/// A running process, in a folder of its own.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
    /// From its beginning until it said that it was ready.
    pub(crate) started_in: Duration,
    /// Where it takes requests, if it does.
    pub(crate) address: String,
    /// Where its `/metrics` are, if it has any.
    operations: Option<String>,
}

impl Process {
    /// Starts a process with nothing but these settings, and waits until it logs that it is ready.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        settings: &[(&str, &str)],
        ready: &str,
    ) -> Result<Self> {
        Self::start_in(tempfile::tempdir()?, program, arguments, settings, ready).await
    }

    /// The same in a folder that has been used before.
    pub(crate) async fn start_in(
        folder: TempDir,
        program: &Path,
        arguments: &[&str],
        settings: &[(&str, &str)],
        ready: &str,
    ) -> Result<Self> {
        let log = folder.path().join("log");
        let began_at = Instant::now();
        // It must not survive a bench that is killed (prctl(2), `PR_SET_PDEATHSIG`). The process id stays the same.
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
                let started_in = began_at.elapsed();
                let address = address_of(&line).unwrap_or_default();
                let operations = self::line(&text, OPERATIONS).as_ref().and_then(address_of);
                return Ok(Self { child, folder, started_in, address, operations });
            }
            if child.try_wait()?.is_some() || began_at.elapsed() > PATIENCE {
                bail!("{} {arguments:?} did not start; it has logged:\n{text}", program.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// CPU time that it has used so far, user and system, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(self.proc("stat")?)?;
        // The name in brackets may hold anything; `utime` and `stime` are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').context("proc(5)")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
        Ok(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_S)
    }

    /// The most memory that it has had so far, in MB.
    pub(crate) fn peak_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(self.proc("status")?)?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let peak_kb: u32 = peak.context("proc(5)")?.parse()?;
        Ok(f64::from(peak_kb) * 1_024.0 / 1_000_000.0)
    }

    /// Events that it has settled so far, by its own count: asking the database would be a load of its own.
    pub(crate) async fn settled(&self) -> Result<u64> {
        let address = self.operations.as_ref().context("the process has metrics")?;
        let text = load::get(address, "/metrics").await?;
        let is_settled = |line: &&str| {
            let waits =
                ["waiting", "retrying"].map(|outcome| line.contains(&format!("outcome=\"{outcome}\"")));
            line.starts_with("careq_sync_results_total{") && waits == [false; 2]
        };
        let counts = text.lines().filter(is_settled);
        let counts = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        Ok(counts.sum())
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(format!("/proc/{}/{file}", self.id()?))
    }

    fn id(&self) -> Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// Tells it to stop (SIGTERM), and waits for its end; its folder is left.
    pub(crate) async fn stop(mut self) -> Result<TempDir> {
        let told = Command::new("kill").args(["-TERM", &self.id()?.to_string()]).status().await?;
        ensure!(told.success(), "the process cannot be told to stop");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.context("the process does not stop")??;
        Ok(self.folder)
    }
}

fn address_of(line: &Value) -> Option<String> {
    line["fields"]["address"].as_str().map(str::to_owned)
}

/// The line of a JSON log with this message.
fn line(log: &str, message: &str) -> Option<Value> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["fields"]["message"] == message)
}
