//! The embedded default on a disk that is full, returns I/O errors, is over its quota or is read-only.
//! Acknowledged events must be on the disk, as another process sees it after SIGTERM and after SIGKILL. The disk
//! is `harness::FaultyDisk`.

mod commands;
mod queue;
mod service;

use std::path::PathBuf;

use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};
use tempfile::TempDir;

use crate::harness::{Client, Exposition, FaultyDisk, Process, SEAL_KEYS, TOKEN, fetch};

/// A data folder on a disk that fails on command.
struct Installation {
    folder: TempDir,
    disk: FaultyDisk,
}

/// The installation's only process.
struct Running {
    process: Process,
    client: Client,
    operations: String,
}

impl Installation {
    /// The disk fails for files whose names begin with this text.
    fn failing(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::below(&folder.path().join(file));
        Self { folder, disk }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn start(&self) -> Running {
        let clinics = format!("clinic_abc={TOKEN}");
        let folder = self.folder.path().display().to_string();
        let own = [
            ("CAREQ_DATA_DIR", folder.as_str()),
            ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
            ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
            ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
            ("CAREQ_BROKER_PUBLISH_TIMEOUT_MS", "5000"),
            ("CAREQ_TELEMETRY_MEASURE_INTERVAL_S", "2"),
            ("CAREQ_CLINICS", clinics.as_str()),
            ("CAREQ_LOG_FORMAT", "json"),
            ("CAREQ_SEAL_KEYS", SEAL_KEYS),
        ];
        let settings: Vec<_> = own.into_iter().chain(self.disk.settings()).collect();
        let process = Process::start(&[], &settings);
        let address = |line: serde_json::Value| line["fields"]["address"].as_str().unwrap().to_owned();
        let operations = address(process.logged("operations: /livez, /readyz and /metrics").await);
        let client = Client::new(&address(process.logged("careq-sync takes requests").await), TOKEN);
        Running { process, client, operations }
    }

    /// Number of rows, counted over another connection than the process's.
    async fn count(&self, file: &str, rows: &str) -> i64 {
        let database = Database::connect(format!("sqlite://{}", self.file(file).display())).await.unwrap();
        let count =
            Statement::from_string(DbBackend::Sqlite, format!("SELECT COUNT(*) AS count FROM {rows}"));
        let row = database.query_one(count).await.unwrap().unwrap();
        let count = row.try_get_by("count").unwrap();
        database.close().await.unwrap();
        count
    }

    /// Number of dead letters and parked events. A disk error must not create any.
    async fn failed_or_parked(&self) -> i64 {
        self.count("careq.db", "dead_letters").await + self.count("careq.db", "parked_events").await
    }
}

impl Running {
    async fn readiness(&self) -> u16 {
        fetch(&self.operations, "/readyz").await.status().as_u16()
    }

    async fn metric(&self, name: &str) -> f64 {
        Exposition::scrape(&self.operations).await.sum(&format!("careq_sync_{name}"), &[])
    }

    fn times_logged(&self, words: &str) -> usize {
        self.process.stderr().matches(words).count()
    }
}
