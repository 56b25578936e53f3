//! PostgreSQL server of the suite.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseBackend, DatabaseConnection, Statement,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::{STARTS_WITHIN, bound_to_the_suite, free_port, run, signal, spawn};
use crate::harness::until;

/// Timeout of a connection to a running server.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// A PostgreSQL server, running or stopped.
pub(crate) struct Postgresql {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgresql {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = programs();
        give_to_its_user(folder.path()).await;
        let mut initdb = as_its_user(&programs.join("initdb")).await;
        run(initdb
            .args(["--auth=trust", "--username=careq", "--no-sync", "-D"])
            .arg(folder.path().join("data")))
        .await;
        let mut postgresql = Self { programs, folder, port: free_port(), server: None };
        postgresql.start_again().await;
        postgresql
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Application name of the suite's own sessions.
    pub(crate) const OWN_SESSIONS: &str = "the_suite";

    /// URL of a database at an address.
    pub(crate) fn url(address: &str, name: &str) -> String {
        format!("postgres://careq@{address}/{name}")
    }

    /// Creates an empty database and returns its name.
    pub(crate) async fn fresh_database(&self) -> String {
        let name = format!("careq_faults_{}", Uuid::new_v4().simple());
        let server = self.connect("postgres").await.expect("PostgreSQL takes connections");
        server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        name
    }

    pub(crate) async fn drop_database(&self, name: &str) {
        let server = self.connect("postgres").await.expect("PostgreSQL takes connections");
        server.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    /// A connection that bypasses the proxy.
    pub(crate) async fn connect(&self, name: &str) -> Option<DatabaseConnection> {
        let url = format!("{}?application_name={}", Self::url(&self.address(), name), Self::OWN_SESSIONS);
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        options.connect_timeout(CONNECTS_WITHIN).acquire_timeout(CONNECTS_WITHIN);
        Database::connect(options).await.ok()
    }

    /// Starts the server. After a kill the old processes may still hold the shared memory, so the start is retried.
    pub(crate) async fn start_again(&mut self) {
        let began_at = Instant::now();
        let mut server = self.spawn_server().await;
        while self.is_ready().await != Some(0) {
            assert!(began_at.elapsed() < STARTS_WITHIN, "PostgreSQL does not take connections");
            if server.try_wait().unwrap().is_some() {
                server = self.spawn_server().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.server = Some(server);
    }

    async fn spawn_server(&self) -> Child {
        let mut server = as_its_user(&self.programs.join("postgres")).await;
        server.arg("-D").arg(self.folder.path().join("data"));
        server.args([
            "-p",
            &self.port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "max_connections=200",
            "-c",
            "max_prepared_transactions=1",
        ]);
        server.arg("-k").arg(self.folder.path());
        spawn(&mut server)
    }

    /// The exit status of `pg_isready`: 0 if the server takes connections, 1 if it refuses them.
    async fn is_ready(&self) -> Option<i32> {
        let mut asked = Command::new(self.programs.join("pg_isready"));
        asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        asked.status().await.unwrap().code()
    }

    /// Stops the server with a "fast shutdown".
    pub(crate) async fn stop(&mut self) {
        self.end("INT").await;
    }

    /// Kills the server as a power failure does; the next start recovers.
    pub(crate) async fn kill(&mut self) {
        self.end("KILL").await;
    }

    async fn end(&mut self, with: &str) {
        let mut server = self.server.take().expect("PostgreSQL runs");
        signal(server.id().expect("PostgreSQL runs"), with).await;
        server.wait().await.unwrap();
    }

    /// Starts the server in recovery: it answers but rejects writes, like a replica before its promotion.
    pub(crate) async fn start_in_recovery(&mut self) {
        let mut touch = as_its_user(Path::new("touch")).await;
        run(touch.arg(self.folder.path().join("data/standby.signal"))).await;
        self.start_again().await;
    }

    /// Starts the server where `start_in_recovery` and `hot_standby = off` keep it: it refuses sessions, as during each start.
    pub(crate) async fn start_without_sessions(&mut self) {
        self.server = Some(self.spawn_server().await);
        until("PostgreSQL refuses sessions", || async { (self.is_ready().await == Some(1)).then_some(()) })
            .await;
    }

    /// Starts a standby that has every transaction committed from now on (PostgreSQL manual, "Synchronous Replication").
    pub(crate) async fn standby(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        give_to_its_user(folder.path()).await;
        let mut copy = as_its_user(&self.programs.join("pg_basebackup")).await;
        copy.args(["--host=127.0.0.1", "--username=careq", &format!("--port={}", self.port)]);
        copy.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--pgdata"]);
        run(copy.arg(folder.path().join("data"))).await;
        let mut standby = Self { programs: self.programs.clone(), folder, port: free_port(), server: None };
        standby.start_again().await;
        let server = self.connect("postgres").await.expect("PostgreSQL takes connections");
        server.execute_unprepared("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
        server.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
        until("the standby follows", || async {
            let follows =
                "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND replay_lsn >= sent_lsn";
            let follows = Statement::from_string(DatabaseBackend::Postgres, follows);
            server.query_one(follows).await.unwrap().map(drop)
        })
        .await;
        standby
    }

    /// Ends the recovery.
    pub(crate) async fn promote(&self) {
        let server = self.connect("postgres").await.expect("PostgreSQL takes connections");
        server.execute_unprepared("SELECT pg_promote()").await.unwrap();
    }
}

/// Folder of the newest version's programs, which is not in `PATH`.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.pop().expect("PostgreSQL is not installed; `make servers` installs it")
}

async fn is_root() -> bool {
    run(Command::new("id").arg("-u")).await.trim() == "0"
}

/// Command as the user `postgres`, because PostgreSQL refuses to run as root.
async fn as_its_user(program: &Path) -> Command {
    let mut command = bound_to_the_suite();
    if is_root().await {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

async fn give_to_its_user(folder: &Path) {
    if is_root().await {
        run(Command::new("chown").arg("postgres:postgres").arg(folder)).await;
    }
}
