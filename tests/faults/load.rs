//! The simulator, playing CareQ against a trial's ingresses. It must never be believed to have sent what its report does not
//! say it has.

use std::time::Duration;

use careq_shared::clock;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::harness::{Process, SEAL_KEYS};
use crate::processes::SIMULATED;

/// The simulator ends by itself long before.
const REPORTED_WITHIN: Duration = Duration::from_mins(40);

/// A load must go on after the fault: at least so many of a hundred acceptances come later.
const LATER_PERCENT: u64 = 5;

/// What may be checked in a second, on a slow machine.
const CHECKED_PER_SECOND: u64 = 500;

/// How much is sent, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) events: u64,
    /// `None` sends as fast as answers come.
    pub(crate) rate_per_second: Option<u32>,
}

/// The load while it goes on.
pub(crate) struct Flowing {
    simulator: Process,
    pub(crate) struck_at: Option<DateTime<Utc>>,
}

/// What the simulator has seen.
pub(crate) struct Report {
    pub(crate) said: Value,
    began_at: DateTime<Utc>,
    struck_at: Option<DateTime<Utc>>,
}

impl Load {
    /// Sends it to these addresses; the check looks into this database.
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
        let settings = [("CAREQ_CLINICS", SIMULATED), ("CAREQ_SEAL_KEYS", SEAL_KEYS)];
        Flowing { simulator: Process::start(&arguments, &settings), struck_at: None }
    }
}

impl Flowing {
    /// The report, when everything has been checked.
    pub(crate) async fn report(self) -> Report {
        let ended = self.simulator.ended_within(REPORTED_WITHIN).await;
        let said: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|fault| {
            panic!("the simulator gave no report ({fault}):\n{}{}", ended.stdout, ended.stderr)
        });
        let began_at = said["began_at"].as_str().expect("the report says when the load began");
        let began_at = DateTime::parse_from_rfc3339(began_at).expect("RFC 3339").to_utc();
        Report { said, began_at, struck_at: self.struck_at }
    }

    pub(crate) fn strikes_now(&mut self) {
        self.struck_at = Some(clock::now());
    }
}

impl Report {
    /// Answers of this status.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        self.said["answers"][status.to_string()]["count"].as_u64().unwrap_or_default()
    }

    /// What is wrong with the load itself, or with how long CareQ waited.
    pub(crate) fn problems(&self, has_every_answer: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(slowest_ms) = self.said["answers"]["503"]["slowest_ms"].as_f64()
            && slowest_ms >= 2_000.0
        {
            problems.push(format!("503 took {slowest_ms:.0} ms"));
        }
        let unanswered = self.said["unanswered"].as_u64().unwrap_or(u64::MAX);
        if has_every_answer && unanswered > 0 {
            problems.push(format!("{unanswered} requests had no answer, although every ingress was there"));
        }
        if let Some(struck_at) = self.struck_at {
            let (all, later) = (self.accepted(0..), self.accepted(self.second(struck_at) + 1..));
            if later * 100 < all * LATER_PERCENT {
                problems
                    .push(format!("the load was over when the fault struck: {later} of {all} came later"));
            }
        }
        problems
    }

    /// Acceptances in each whole second between two moments.
    pub(crate) fn accepted_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<u64> {
        let (from, to) = (self.second(from) + 1, self.second(to));
        let seconds = self.accepted_per_second();
        (from..to).map(|second| seconds.get(second).copied().unwrap_or_default()).collect()
    }

    fn accepted(&self, seconds: std::ops::RangeFrom<usize>) -> u64 {
        self.accepted_per_second().iter().skip(seconds.start).sum()
    }

    fn accepted_per_second(&self) -> Vec<u64> {
        let seconds = self.said["accepted_per_second"].as_array().into_iter().flatten();
        seconds.filter_map(Value::as_u64).collect()
    }

    /// The second since the load began that a moment lies in.
    fn second(&self, moment: DateTime<Utc>) -> usize {
        usize::try_from((moment - self.began_at).num_seconds()).unwrap_or_default()
    }
}
