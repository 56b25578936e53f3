//! A healthy set-up for the doctor: tables, a clinic, keys in a file, queues and free ports.

use std::any::Any;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use careq_console::audit::{Actor, Origin};
use careq_console::clinics;
use careq_shared::broker::rabbitmq::RabbitMq as Broker;
use careq_shared::config::{self, Config};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{CLINIC, Ended, Process, SEAL_KEYS, fresh_prefix, seal};
use crate::servers::{Postgresql, RabbitMq, Servers, free_port};

/// Part of every password and key of these tests. The doctor must not print it.
pub(crate) const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Longer than an examination in which no server answers.
const DOCTOR_ENDS_WITHIN: Duration = Duration::from_secs(90);

/// See the module.
pub(crate) struct SetUp {
    pub(crate) prefix: String,
    pub(crate) database_name: String,
    settings: Vec<(String, String)>,
    folder: TempDir,
    /// Resources that live as long as the set-up.
    pub(crate) held: Vec<Box<dyn Any>>,
}

/// The doctor's output for scripts.
pub(crate) struct Report {
    pub(crate) printed: String,
    pub(crate) exit_status: i32,
    pub(crate) json: Value,
}

impl Report {
    pub(crate) fn findings(&self) -> Vec<Value> {
        let examinations = self.json["examinations"].as_array().unwrap().iter();
        examinations.flat_map(|examination| examination["findings"].as_array().unwrap().clone()).collect()
    }
}

impl SetUp {
    /// A set-up on PostgreSQL and RabbitMQ.
    pub(crate) async fn new(servers: &Servers) -> Self {
        let prefix = fresh_prefix();
        let mut set_up = Self {
            database_name: prefix.replace('.', "_"),
            prefix,
            settings: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            held: Vec::new(),
        };
        set_up.make_database(servers, "UTF8").await;
        set_up.write_keys(SEAL_KEYS);
        let key_file = set_up.key_file().display().to_string();
        for (name, value) in [
            ("CAREQ_DATABASE_URL", set_up.database_url(servers, "careq")),
            ("CAREQ_BROKER_URL", RabbitMq::url(&servers.rabbitmq.address())),
            ("CAREQ_BROKER_MANAGEMENT_URL", servers.rabbitmq.management_url()),
            ("CAREQ_BROKER_PREFIX", set_up.prefix.clone()),
            ("CAREQ_BROKER_PARTITIONS", "2".to_owned()),
            ("CAREQ_SEAL_KEY_FILE", key_file),
        ] {
            set_up.set(name, value);
        }
        set_up.common();
        set_up.broker().await;
        set_up
    }

    /// The broker of the settings, with its queues declared.
    pub(crate) async fn broker(&self) -> Broker {
        Broker::connect(&self.config().broker, "test").await.unwrap()
    }

    /// A set-up of the embedded default in one folder.
    pub(crate) fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let (prefix, database_name) = (String::new(), String::new());
        let mut set_up = Self { prefix, database_name, settings: Vec::new(), folder, held: Vec::new() };
        set_up.set("CAREQ_DATA_DIR", data);
        set_up.common();
        set_up
    }

    fn common(&mut self) {
        self.set("CAREQ_INGRESS_LISTEN", format!("127.0.0.1:{}", free_port()));
        self.set("CAREQ_OPERATIONS_LISTEN", format!("127.0.0.1:{}", free_port()));
        self.set("CAREQ_LOG_FORMAT", "json".to_owned());
    }

    /// A fresh database with tables and a clinic.
    pub(crate) async fn make_database(&self, servers: &Servers, encoding: &str) {
        let name = &self.database_name;
        let server = servers.postgresql.connect("postgres").await.unwrap();
        let make = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        server.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        server.execute_unprepared(&make).await.unwrap();
        let database = self.database(servers).await;
        careq_migrations::up(&database).await.unwrap();
        let actor = Actor::process_user(Origin::CommandLine);
        clinics::add(&database, &|| Ok(seal()), &actor, CLINIC, &[]).await.unwrap();
    }

    pub(crate) async fn database(&self, servers: &Servers) -> DatabaseConnection {
        servers.postgresql.connect(&self.database_name).await.unwrap()
    }

    pub(crate) fn database_url(&self, servers: &Servers, role: &str) -> String {
        let url = Postgresql::url(&servers.postgresql.address(), &self.database_name);
        url.replace("careq@", &format!("{role}@"))
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.settings.retain(|(set, _)| set != name);
        self.settings.push((name.to_owned(), value));
    }

    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn config(&self) -> Config {
        config::load(None, self.settings.clone()).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder().join("data")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder().join("keys")
    }

    pub(crate) fn write_keys(&self, keys: &str) {
        std::fs::write(self.key_file(), keys).unwrap();
        restrict(&self.key_file(), 0o600);
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        Process::start(arguments, &self.settings()).ended_within(DOCTOR_ENDS_WITHIN).await
    }

    pub(crate) async fn doctor(&self) -> Report {
        let ended = self.run(&["doctor", "--json"]).await;
        let json: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|_| panic!("the doctor prints JSON:\n{}\n{}", ended.stdout, ended.stderr));
        let exit_status = ended.exit_status.unwrap();
        assert_eq!(json["exit_status"], exit_status);
        Report { printed: ended.stdout + &ended.stderr, exit_status, json }
    }

    /// Asserts that all findings are good, and that these checks were made.
    pub(crate) async fn is_well(&self, when: &str, codes: &[&str]) {
        let report = self.doctor().await;
        let findings = report.findings();
        // The tests' role owns the tables.
        let is_well =
            |finding: &Value| finding["verdict"] == "well" || finding["code"] == "permissions.audit_log";
        assert!(findings.iter().all(is_well), "{when}: {findings:#?}");
        assert_eq!(report.exit_status, 0, "{when}");
        for code in codes {
            assert!(
                findings.iter().any(|finding| finding["code"] == *code),
                "{when}: {code} is not in {findings:#?}"
            );
        }
    }
}

pub(crate) fn restrict(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
