//! The load: the simulator sends CareQ's webhooks to a trial's ingresses.

use std::num::NonZero;
use std::time::Duration;

use careq_shared::clock;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::harness::{Process, SEAL_KEYS};
use crate::processes::{seeds, simulated};

/// Timeout of the simulator, far above its longest run.
const REPORTED_WITHIN: Duration = Duration::from_mins(40);

/// Minimum share of the acceptances that follow the fault, as a percentage. With less, the load ended too early.
const LATER_PERCENT: u64 = 5;

/// Events per second that a slow machine checks.
const CHECKED_PER_SECOND: u64 = 500;

/// Size, rate and spread of the load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) events: u64,
    /// `None` sends the next request when the last one is answered.
    pub(crate) rate_per_second: Option<u32>,
    /// Partitions of the installation, each with one clinic of the load.
    pub(crate) partitions: NonZero<u16>,
}

/// A running load.
pub(crate) struct Flowing {
    simulator: Process,
    pub(crate) struck_at: Option<DateTime<Utc>>,
}

/// The simulator's report.
pub(crate) struct Report {
    pub(crate) json: Value,
    began_at: DateTime<Utc>,
    struck_at: Option<DateTime<Utc>>,
}

impl Load {
    /// Starts the simulator for these ingresses; it checks the tables of this database.
    pub(crate) fn begin<'address>(
        self,
        addresses: impl Iterator<Item = &'address str>,
        database_url: String,
    ) -> Flowing {
        let disorder =
            ["--shuffle", "--repeat", "8", "--orphans", "4", "--poison", "4", "--connections", "24"];
        let settle_within_s = 90 + self.events / CHECKED_PER_SECOND;
        let options = [
            ("--retry-after", "400ms".to_owned()),
            ("--timeout", "8s".to_owned()),
            ("--late-after", "3s".to_owned()),
            ("--settle-within", format!("{settle_within_s}s")),
            ("--seed", self.seed.to_string()),
            ("--events", self.events.to_string()),
            ("--database-url", database_url),
        ];
        let rate = self.rate_per_second.map(|rate| ("--rate", rate.to_string()));
        let urls = addresses.map(|address| ("--url", format!("http://{address}")));
        let options: Vec<_> = options.into_iter().chain(rate).chain(urls).collect();
        let options = options.iter().flat_map(|(name, value)| [*name, value.as_str()]);
        let arguments: Vec<_> = ["simulate", "--json"].into_iter().chain(disorder).chain(options).collect();
        let clinics = seeds(&simulated(self.partitions));
        let settings = [("CAREQ_CLINICS", clinics.as_str()), ("CAREQ_SEAL_KEYS", SEAL_KEYS)];
        Flowing { simulator: Process::start(&arguments, &settings), struck_at: None }
    }
}

impl Flowing {
    /// Waits for the check and returns the report.
    pub(crate) async fn report(self) -> Report {
        let ended = self.simulator.ended_within(REPORTED_WITHIN).await;
        let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|fault| {
            panic!("the simulator gave no report ({fault}):\n{}{}", ended.stdout, ended.stderr)
        });
        let began_at = json["began_at"].as_str().expect("the report says when the load began");
        let began_at = DateTime::parse_from_rfc3339(began_at).expect("RFC 3339").to_utc();
        Report { json, began_at, struck_at: self.struck_at }
    }

    pub(crate) fn strikes_now(&mut self) {
        self.struck_at = Some(clock::now());
    }
}

impl Report {
    /// Number of responses with this status.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        self.json["answers"][status.to_string()]["count"].as_u64().unwrap_or_default()
    }

    /// Problems of the load itself, and responses that took too long.
    pub(crate) fn problems(&self, has_every_answer: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(slowest_ms) = self.json["answers"]["503"]["slowest_ms"].as_f64()
            && slowest_ms >= 2_000.0
        {
            problems.push(format!("503 took {slowest_ms:.0} ms"));
        }
        let unanswered = self.json["unanswered"].as_u64().unwrap_or(u64::MAX);
        if has_every_answer && unanswered > 0 {
            problems
                .push(format!("{unanswered} requests had no response although every ingress was running"));
        }
        if let Some(struck_at) = self.struck_at {
            let (all, later) = (self.accepted(0..), self.accepted(self.second(struck_at) + 1..));
            if later * 100 < all * LATER_PERCENT {
                problems.push(format!(
                    "the load had ended before the fault: {later} of {all} acceptances followed"
                ));
            }
        }
        problems
    }

    /// Number of acceptances in each whole second between two times.
    pub(crate) fn accepted_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<u64> {
        let (from, to) = (self.second(from) + 1, self.second(to));
        let seconds = self.accepted_per_second();
        (from..to).map(|second| seconds.get(second).copied().unwrap_or_default()).collect()
    }

    fn accepted(&self, seconds: std::ops::RangeFrom<usize>) -> u64 {
        self.accepted_per_second().iter().skip(seconds.start).sum()
    }

    fn accepted_per_second(&self) -> Vec<u64> {
        let seconds = self.json["accepted_per_second"].as_array().into_iter().flatten();
        seconds.filter_map(Value::as_u64).collect()
    }

    /// Whole seconds from the start of the load to a time.
    fn second(&self, moment: DateTime<Utc>) -> usize {
        usize::try_from((moment - self.began_at).num_seconds()).unwrap_or_default()
    }
}
