//! RabbitMQ server of the suite, with its own port mapper.

use std::path::{Path, PathBuf};
use std::time::Duration;

use careq_shared::broker::Ready;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{STARTS_WITHIN, bound_to_the_suite, free_port, run, spawn};
use crate::harness::until_within;

/// Timeout of a passive declaration. A healthy queue answers at once, a queue without a leader never.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A RabbitMQ server, running or killed.
pub(crate) struct RabbitMq {
    folder: TempDir,
    port: u16,
    management_port: u16,
    environment: Vec<(&'static str, String)>,
    server: Option<Child>,
    /// Erlang's port mapper, separate from the machine's.
    _mapper: Child,
}

impl RabbitMq {
    pub(crate) async fn start() -> Self {
        Self::start_with("", "").await
    }

    /// Starts the server with its management API.
    pub(crate) async fn start_with_management() -> Self {
        let port = free_port();
        let settings = format!("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n");
        Self { management_port: port, ..Self::start_with("rabbitmq_management", &settings).await }
    }

    /// Starts the server with additional settings.
    pub(crate) async fn start_with_settings(settings: &str) -> Self {
        Self::start_with("", settings).await
    }

    async fn start_with(plugin: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, mapper) = (free_port(), free_port().to_string());
        let inside = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(folder.path().join("nothing.conf"), "").unwrap();
        std::fs::write(
            folder.path().join("rabbitmq.conf"),
            format!("listeners.tcp.local = 127.0.0.1:{port}\n{settings}"),
        )
        .unwrap();
        std::fs::write(folder.path().join("plugins"), format!("[{plugin}].\n")).unwrap();
        let environment = vec![
            ("HOME", inside("")),
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("ERL_EPMD_PORT", mapper.clone()),
            ("RABBITMQ_NODENAME", format!("careq-faults-{port}@localhost")),
            ("RABBITMQ_DIST_PORT", free_port().to_string()),
            ("RABBITMQ_MNESIA_BASE", inside("mnesia")),
            ("RABBITMQ_LOG_BASE", inside("log")),
            ("RABBITMQ_PID_FILE", inside("pid")),
            // With this setting the script replaces itself by the server, instead of leaving it as a child process.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
            ("RABBITMQ_CONF_ENV_FILE", inside("nothing.conf")),
            ("RABBITMQ_CONFIG_FILE", inside("rabbitmq.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", inside("plugins")),
            ("ERL_FLAGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
        ];
        let mapper =
            spawn(bound_to_the_suite().args(["--", "epmd", "-port", &mapper, "-address", "127.0.0.1"]));
        let mut rabbitmq =
            Self { folder, port, management_port: 0, environment, server: None, _mapper: mapper };
        rabbitmq.start_again().await;
        rabbitmq
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// URL of the management API, if the server was started with it.
    pub(crate) fn management_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.management_port)
    }

    /// URL of the broker at an address.
    pub(crate) fn url(address: &str) -> String {
        format!("amqp://guest:guest@{address}/%2f")
    }

    pub(crate) async fn start_again(&mut self) {
        let mut server = bound_to_the_suite();
        server.arg("--").arg(programs().join("rabbitmq-server"));
        self.server = Some(spawn(self.as_this_node(&mut server)));
        until_within(STARTS_WITHIN, "RabbitMQ takes connections", || async {
            self.connect().await.map(drop)
        })
        .await;
    }

    /// Starts the server with its data after a kill. RabbitMQ 3.10 sometimes fails to elect a queue's leader then
    /// (rabbitmq/ra#179). The election is triggered, as the runbook advises operators, for queues without a leader.
    pub(crate) async fn recover(&mut self) {
        self.start_again().await;
        let elect = "[ra:trigger_election(P) || Q <- rabbit_amqqueue:list(), \
                     amqqueue:get_type(Q) == rabbit_quorum_queue, \
                     P <- [amqqueue:get_pid(Q)], element(1, ra:members(P, 5000)) =/= ok].";
        self.control(&["eval", elect]).await;
    }

    /// Kills the server as a power failure does.
    pub(crate) async fn kill(&mut self) {
        self.server.take().expect("RabbitMQ runs").kill().await.unwrap();
    }

    /// A connection that bypasses the proxy.
    pub(crate) async fn connect(&self) -> Option<Connection> {
        let url = Self::url(&self.address());
        let connecting = Connection::connect(&url, ConnectionProperties::default());
        tokio::time::timeout(Duration::from_secs(3), connecting).await.ok()?.ok()
    }

    /// Ready messages of these queues, without unacknowledged ones; `None` if one does not answer.
    pub(crate) async fn ready(&self, queues: &[String]) -> Option<Ready> {
        let mut ready = Ready::default();
        for queue in self.states(queues).await? {
            let messages = u64::from(queue.message_count());
            ready = Ready { total: ready.total + messages, max: ready.max.max(messages) };
        }
        Some(ready)
    }

    /// Number of consumers of each queue; `None` if one does not answer.
    pub(crate) async fn consumers(&self, queues: &[String]) -> Option<Vec<u32>> {
        Some(self.states(queues).await?.iter().map(lapin::Queue::consumer_count).collect())
    }

    async fn states(&self, queues: &[String]) -> Option<Vec<lapin::Queue>> {
        let asking = async {
            let connection = self.connect().await?;
            let channel = connection.create_channel().await.ok()?;
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let mut states = Vec::with_capacity(queues.len());
            for queue in queues {
                let name = queue.as_str().into();
                states.push(channel.queue_declare(name, passive, FieldTable::default()).await.ok()?);
            }
            Some(states)
        };
        tokio::time::timeout(ANSWERS_WITHIN, asking).await.ok()?
    }

    /// The server's log.
    pub(crate) fn log(&self) -> String {
        let files = std::fs::read_dir(self.folder.path().join("log")).unwrap().flatten();
        files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
    }

    /// Copies the server's log and its queues' files, in which a message can be searched.
    pub(crate) async fn copy_files(&self, target: &Path) {
        run(Command::new("cp").arg("-r").arg(self.folder.path()).arg(target)).await;
    }

    /// Identifiers of all current connections.
    pub(crate) async fn connections(&self) -> Vec<String> {
        let listed = self.control(&["-q", "list_connections", "--no-table-headers", "pid"]).await;
        listed.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Deletes queues.
    pub(crate) async fn delete_queues(&self, queues: &[String]) {
        let connection = self.connect().await.expect("RabbitMQ takes connections");
        let channel = connection.create_channel().await.unwrap();
        for queue in queues {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
    }

    /// Runs `rabbitmqctl` and returns its output.
    pub(crate) async fn control(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(programs().join("rabbitmqctl"));
        run(self.as_this_node(&mut command).args(arguments)).await
    }

    fn as_this_node<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)))
    }
}

/// Folder of RabbitMQ's own scripts. Those in `PATH` change the user and drop the environment.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("sbin")).collect();
    folders.sort();
    folders.pop().expect("RabbitMQ is not installed; `make servers` installs it")
}
