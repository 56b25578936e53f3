//! The rules that values must satisfy. The rules of URLs, and of databases and brokers that fit together, are in
//! `servers.rs`.

use secrecy::ExposeSecret as _;

use super::faults::Faults;
use super::sections::{Config, IngressConfig, Process, RetentionConfig};
use crate::broker::partition;
use crate::seal::key_list::{self, KeySource};

impl Config {
    /// Adds the errors of values that are well-formed and cannot work.
    pub(super) fn check(&self, process: Option<Process>, faults: &mut Faults) {
        self.check_servers(process, faults);
        faults.require(!self.data.dir.as_os_str().is_empty(), "data.dir must not be empty");
        faults.require(!self.broker.prefix.is_empty(), "broker.prefix must not be empty");
        faults.require(self.broker.prefix.len() <= 200, "broker.prefix must be at most 200 bytes");
        faults.within("broker.partitions", self.broker.partitions.get(), 1..=partition::MAX);
        faults.at_least("broker.publish_timeout_ms", self.broker.publish_timeout_ms, 10);
        faults.at_least("database.max_connections", self.database.max_connections, 2);
        // SQLite accepts at most 32,766 values in a statement, and the widest row has 30.
        faults.within("worker.batch_size", self.worker.batch_size, 1..=1_000);
        faults.within("worker.max_batch_bytes", self.worker.max_batch_bytes, 65_536..=67_108_864);
        faults.within("worker.concurrency", self.worker.concurrency, 1..=64);
        faults.require(
            self.worker.parent_timeout_s <= 315_360_000,
            "worker.parent_timeout_s must be at most 315360000, ten years",
        );
        faults.at_least("worker.sweep_interval_s", self.worker.sweep_interval_s, 1);
        faults.require(
            self.seal.keys.expose_secret().is_empty() || key_list::is_well_formed(&self.seal.keys),
            "seal.keys must be NAME:KEY, separated by commas: names of 1 to 32 letters, digits, - and _, keys of 32 bytes in \
             base64, such as `openssl rand -base64 32` prints",
        );
        // A command that needs no key, such as `migrate`, runs without one.
        if process.is_some_and(|process| process.runs_on().is_some())
            && let Err(fault) = KeySource::choose(&self.seal.keys, &self.seal.key_file, &self.database.url)
        {
            faults.add(fault.to_string());
        }
        self.retention.check(faults);
        faults.require(
            (0.0..=1.0).contains(&self.telemetry.sample_ratio),
            "telemetry.sample_ratio must be from 0 to 1",
        );
        faults.require(
            (2..=3_600).contains(&self.telemetry.measure_interval_s),
            "telemetry.measure_interval_s must be from 2 to 3600: each time costs the database four queries",
        );
        self.ingress.check(self.broker.publish_timeout_ms, faults);
    }
}

impl RetentionConfig {
    fn check(&self, faults: &mut Faults) {
        const FOREVER: u32 = u32::MAX;
        let days = [self.events_days, self.batches_days, self.settled_letters_days, self.audit_days];
        let [events, batches, letters, audit] = days.map(|days| if days == 0 { FOREVER } else { days });
        faults.require(
            days.iter().all(|days| *days <= 36_500),
            "retention.events_days, batches_days, settled_letters_days and audit_days must be at most 36500, a century; 0 = forever",
        );
        faults.require(
            events >= 7,
            "retention.events_days must be at least 7, or 0 to keep them forever: a duplicate of a deleted event counts as new, \
             and duplicates can wait in a queue for days",
        );
        faults.require(
            events == FOREVER || batches < events,
            "retention.batches_days must be less than retention.events_days: the report of a batch is made from its events",
        );
        faults.require(
            batches <= letters,
            "retention.settled_letters_days must be at least retention.batches_days: the report of a batch names what has failed",
        );
        faults.require(
            letters <= audit,
            "retention.audit_days must be at least retention.settled_letters_days: a letter names the entry that settled it",
        );
        faults.within("retention.scan_interval_s", self.scan_interval_s, 1..=86_400);
    }
}

impl IngressConfig {
    fn check(&self, publish_timeout_ms: u64, faults: &mut Faults) {
        faults.require(
            (1..=5).contains(&self.clinics_refresh_interval_s),
            "ingress.clinics_refresh_interval_s must be from 1 to 5: a clinic that was disabled must not go on for longer",
        );
        faults.within("ingress.header_timeout_s", self.header_timeout_s, 1..=3_600);
        faults.at_least("ingress.body_timeout_s", self.body_timeout_s, 1);
        faults.at_least("ingress.max_header_bytes", self.max_header_bytes, 8_192);
        faults.at_least("ingress.max_header_fields", self.max_header_fields, 16);
        faults.within("ingress.max_connections", self.max_connections, 1..=1_000_000);
        faults.within("ingress.first_byte_timeout_s", self.first_byte_timeout_s, 1..=3_600);
        faults.require(
            self.max_clock_skew_s >= 60,
            "ingress.max_clock_skew_s must be at least 60: clocks differ",
        );
        faults.require(
            self.max_long_text_bytes >= 1_024,
            "ingress.max_long_text_bytes must be at least 1024: notes are longer than other texts",
        );
        faults.at_least("ingress.max_requests", self.max_requests, 1);
        let body_timeout_ms = self.body_timeout_s.saturating_mul(1_000);
        let stages_ms = body_timeout_ms.saturating_add(publish_timeout_ms).saturating_add(25_000);
        faults.require(
            self.request_timeout_s.saturating_mul(1_000) >= stages_ms,
            "ingress.request_timeout_s must be at least ingress.body_timeout_s, broker.publish_timeout_ms and 25 s together: it \
             is to end what hangs, and nothing else",
        );
        faults.require(
            self.result_timeout_ms <= 25_000 && self.batch_result_timeout_ms <= 25_000,
            "ingress.result_timeout_ms and ingress.batch_result_timeout_ms must be at most 25000: CareQ gives up after 30 s",
        );
        faults.require(
            self.rate_per_minute == 0 || self.rate_burst >= 1,
            "ingress.rate_burst must be at least 1 where ingress.rate_per_minute is set",
        );
    }
}
