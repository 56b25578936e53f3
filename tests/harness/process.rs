//! A real process of `careq-sync`.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::until;

/// A running `careq-sync`.
pub(crate) struct Process {
    child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    /// `None` if a signal ended the process.
    pub(crate) exit_status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts the program in an empty folder, with these settings as its whole environment.
    pub(crate) fn start(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::spawn(arguments, settings, Stdio::null())
    }

    /// Runs the program to its end with an input.
    pub(crate) async fn run_with_input(arguments: &[&str], settings: &[(&str, &str)], input: &str) -> Ended {
        let mut process = Self::spawn(arguments, settings, Stdio::piped());
        process.child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        process.ended().await
    }

    fn spawn(arguments: &[&str], settings: &[(&str, &str)], stdin: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The process ends with the test program, even if that is killed (prctl(2), `PR_SET_PDEATHSIG`). Its id stays the
        // same.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_careq-sync")])
            .args(arguments)
            .env_clear()
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be started");
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr, _folder: folder }
    }

    /// Runs the program to its end.
    pub(crate) async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
        Self::start(arguments, settings).ended().await
    }

    /// Standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap().join("\n")
    }

    /// Log so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }

    /// Waits for a line of the JSON log with this message.
    pub(crate) async fn logged(&self, message: &str) -> Value {
        let found = || async {
            let lines = self.stderr.lock().unwrap();
            lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["fields"]["message"] == message)
        };
        until(&format!("the process logs {message:?}; it has logged:\n{}", self.stderr()), found).await
    }

    /// Stops the process (SIGTERM) and waits for its end.
    pub(crate) async fn stop(self) -> Ended {
        self.terminate().await;
        self.ended().await
    }

    /// Sends SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Stops the process where it is (SIGSTOP). Its connections stay open.
    pub(crate) async fn pause(&self) {
        self.signal("-STOP").await;
    }

    /// Continues the paused process (SIGCONT).
    pub(crate) async fn resume(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let signalled = Command::new("kill").args([signal, &self.id().to_string()]).status().await.unwrap();
        assert!(signalled.success());
    }

    /// Kills the process (SIGKILL) and waits for its end.
    pub(crate) async fn kill(mut self) -> Ended {
        self.child.start_kill().unwrap();
        self.ended().await
    }

    /// Kills the process without consuming it, so that it can be replaced.
    pub(crate) async fn kill_first(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Limits the memory that the process may allocate (setrlimit(2), `RLIMIT_DATA`). Memory it already has is kept.
    pub(crate) async fn limit_memory(&self, bytes: u64) {
        let limits = [format!("--pid={}", self.id()), format!("--data={bytes}")];
        let limited = Command::new("prlimit").args(limits).status().await.unwrap();
        assert!(limited.success());
    }

    /// Id of the running process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// The signal that ended the process, or 0 if it ended by itself; `None` while it runs.
    pub(crate) fn signalled(&mut self) -> Option<i32> {
        let status = self.child.try_wait().unwrap()?;
        Some(std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default())
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) -> Ended {
        self.ended_within(Duration::from_secs(40)).await
    }

    pub(crate) async fn ended_within(mut self, timeout: Duration) -> Ended {
        let status = tokio::time::timeout(timeout, self.child.wait())
            .await
            .unwrap_or_else(|_| {
                panic!("the process did not end within {timeout:?}; it has logged:\n{}", self.stderr())
            })
            .unwrap();
        // The readers end when the pipes close.
        until("its output is read", || async { (Arc::strong_count(&self.stdout) == 1).then_some(()) }).await;
        until("its log is read", || async { (Arc::strong_count(&self.stderr) == 1).then_some(()) }).await;
        Ended {
            success: status.success(),
            exit_status: status.code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

fn collect(pipe: impl AsyncRead + Unpin + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&lines);
    tokio::spawn(async move {
        let mut reader = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            collected.lock().unwrap().push(line);
        }
    });
    lines
}

/// Library that changes the clock of a process when preloaded.
pub(crate) fn clock_library() -> PathBuf {
    let architectures = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = architectures.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    found.find(|library| library.exists()).expect("libfaketime is not installed; `make servers` installs it")
}
