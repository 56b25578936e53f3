//! Servers of the suite: one PostgreSQL and one RabbitMQ in temporary folders. The suite does not touch the machine's own
//! servers.

mod postgresql;
mod rabbitmq;

use std::net::TcpListener;
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

/// Timeout of a server's start on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

/// A port that is currently free.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

/// Sends a signal to a process of the suite.
pub(crate) async fn signal(process_id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process_id.to_string()]).status().await;
    assert!(sent.unwrap().success(), "process {process_id} can be sent {name}");
}

/// A command whose process ends with the suite, even if the suite is killed (prctl(2), `PR_SET_PDEATHSIG`). The process
/// keeps its id through exec.
fn bound_to_the_suite() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// Starts a program without output. It is killed when the handle is dropped.
fn spawn(command: &mut Command) -> Child {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.kill_on_drop(true).spawn().expect("the program can be started; `make servers` installs it")
}

/// Runs a program, asserts its success, and returns its output.
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
