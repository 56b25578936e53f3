//! Servers of the suite's own, which it may kill: one PostgreSQL and one RabbitMQ, in a folder that goes with them. The
//! machine's own servers must never be touched.

mod postgresql;
mod rabbitmq;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

pub(crate) use postgresql::Postgresql;
pub(crate) use rabbitmq::RabbitMq;

/// Both servers.
pub(crate) struct Servers {
    pub(crate) postgresql: Postgresql,
    pub(crate) rabbitmq: RabbitMq,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let (postgresql, rabbitmq) = tokio::join!(Postgresql::start(), RabbitMq::start());
        Self { postgresql, rabbitmq }
    }
}

/// A server may take so long to start on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

/// A port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

/// What moves the clock of a process that is started with it as `LD_PRELOAD`.
pub(crate) fn clock_library() -> PathBuf {
    let architectures = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = architectures.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    found.find(|library| library.exists()).expect("libfaketime is not installed; `make servers` installs it")
}

/// Sends a signal to a process that the suite has started.
pub(crate) async fn signal(process_id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process_id.to_string()]).status().await;
    assert!(sent.unwrap().success(), "process {process_id} can be sent {name}");
}

/// A program that is ended with the suite, even where the suite itself is killed (prctl(2), `PR_SET_PDEATHSIG`). It keeps its
/// process id, whatever it becomes by exec.
fn bound_to_the_suite() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// Starts a program that says nothing, and is ended when it is dropped.
fn spawn(command: &mut Command) -> Child {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.kill_on_drop(true).spawn().expect("the program can be started; `make servers` installs it")
}

/// Runs a program to its end, which must be a good one; what it printed.
async fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().await.expect("the program can be started");
    assert!(
        output.status.success(),
        "{:?}: {}{}",
        command.as_std(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
