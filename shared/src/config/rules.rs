//! The rules that values must satisfy. The rules of URLs, and of databases and brokers that fit together, are in
//! `servers.rs`.

use secrecy::ExposeSecret as _;

use super::process::Process;
use super::sections::{Config, TelemetryConfig};
use crate::seal::key_list::{self, KeySource};

impl Config {
    /// The errors of values that are well-formed and cannot work.
    pub(super) fn faults(&self, process: Option<Process>) -> Vec<String> {
        let mut faults = self.server_faults(process);
        let mut require = |holds: bool, sentence: &str| {
            if !holds {
                faults.push(sentence.to_owned());
            }
        };
        require(!self.data.dir.as_os_str().is_empty(), "data.dir must not be empty");
        require(!self.broker.prefix.is_empty(), "broker.prefix must not be empty");
        require(self.broker.prefix.len() <= 200, "broker.prefix must be at most 200 bytes");
        require(self.broker.publish_timeout_ms >= 10, "broker.publish_timeout_ms must be at least 10");
        require(self.database.max_connections >= 2, "database.max_connections must be at least 2");
        // SQLite accepts at most 32,766 values in a statement, and the widest row has 30.
        require((1..=1_000).contains(&self.worker.batch_size), "worker.batch_size must be from 1 to 1000");
        require(
            (65_536..=67_108_864).contains(&self.worker.max_batch_bytes),
            "worker.max_batch_bytes must be from 65536 to 67108864",
        );
        require((1..=64).contains(&self.worker.concurrency), "worker.concurrency must be from 1 to 64");
        require(
            self.worker.parent_timeout_s <= 315_360_000,
            "worker.parent_timeout_s must be at most 315360000, ten years",
        );
        require(self.worker.sweep_interval_s >= 1, "worker.sweep_interval_s must be at least 1");
        require(
            self.seal.keys.expose_secret().is_empty() || key_list::is_well_formed(&self.seal.keys),
            "seal.keys must be NAME:KEY, separated by commas: names of 1 to 32 letters, digits, - and _, keys of 32 bytes in \
             base64, such as `openssl rand -base64 32` prints",
        );
        // A command that needs no key, such as `migrate`, runs without one.
        if process.is_some_and(|process| process.runs_on().is_some())
            && let Err(fault) = KeySource::of(&self.seal.keys, &self.seal.key_file, &self.database.url)
        {
            require(false, &fault.to_string());
        }
        self.retention.faults(&mut require);
        self.telemetry.faults(&mut require);
        self.ingress.faults(&mut require, self.broker.publish_timeout_ms);
        faults
    }
}

impl TelemetryConfig {
    fn faults(&self, require: &mut impl FnMut(bool, &str)) {
        require((0.0..=1.0).contains(&self.sample_ratio), "telemetry.sample_ratio must be from 0 to 1");
        require(
            (2..=3_600).contains(&self.measure_interval_s),
            "telemetry.measure_interval_s must be from 2 to 3600: each time costs the database four queries",
        );
    }
}
